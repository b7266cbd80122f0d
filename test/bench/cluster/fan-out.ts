import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { until, type Fleet } from '../../processes/processes.ts'
import { percentile, printFigure } from '../figures.ts'
import { cpuMsOf } from './load.ts'
import { RAFTWAY_PUTS, raftwayClient } from './raftway.ts'

const WATCHERS = 1_000
const CHANGES = 100
/** Far enough from each other that each is measured alone. */
const PACE_MS = 100

/** Prints how long one change takes to the last of 1,000 watchers, and what it costs the nodes. */
export async function measureFanOut(fleet: Fleet): Promise<void> {
  const ports = fleet.nodes.map(({ url }) => Number(new URL(url).port))
  const pids = fleet.nodes.map(({ pid }) => pid)
  const client = await raftwayClient(ports[0] ?? 0, RAFTWAY_PUTS)
  await client.call(0)
  let ready = 0
  let left = 0
  let onAll: () => void = () => {}
  const sockets: Socket[] = []
  for (let i = 0; i < WATCHERS; i++) {
    const onLine = (line: string): void => {
      if (line.includes('"type":"snapshot-end"')) ready++
      if (line.includes('"type":"change"') && --left === 0) onAll()
    }
    sockets.push(watch(ports[i % ports.length] ?? 0, onLine))
  }
  await until('every watcher has its snapshot', () => (ready === WATCHERS ? true : null), 60_000)
  const idle = await cpuOf(pids, () => pause(CHANGES * 10))
  const toAllMs: number[] = []
  const answeredMs: number[] = []
  let waited = 0
  const busy = await cpuOf(pids, async () => {
    for (let change = 1; change <= CHANGES; change++) {
      const all = new Promise<void>((resolve) => {
        left = WATCHERS
        onAll = resolve
      })
      const sentMs = performance.now()
      await client.call(change)
      const acknowledgedMs = performance.now()
      await all
      const lastMs = performance.now()
      answeredMs.push(acknowledgedMs - sentMs)
      toAllMs.push(lastMs - sentMs)
      await pause(PACE_MS)
      waited += performance.now() - sentMs
    }
  })
  for (const socket of sockets) socket.destroy()
  client.close()
  // What the nodes use anyway, in the same time.
  const base = (idle / (CHANGES * 10)) * waited
  printFigure({
    bench: 'cluster',
    figure: `fan-out of one change to ${WATCHERS} watchers`,
    'sent → last has it p50 ms': percentile(toAllMs, 0.5),
    'p99 ms': percentile(toAllMs, 0.99),
    'sent → acknowledged p50 ms': percentile(answeredMs, 0.5),
    'CPU of all nodes a change ms': (busy - base) / CHANGES,
    'CPU a watcher µs': (((busy - base) / CHANGES) * 1_000) / WATCHERS,
  })
}

async function cpuOf(pids: readonly number[], work: () => Promise<unknown>): Promise<number> {
  const before = cpuMsOf(pids)
  await work()
  return cpuMsOf(pids) - before
}

/** Hears a watch line by line; the head and the sizes of chunks are lines that no reader minds. */
function watch(port: number, onLine: (line: string) => void): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let rest = ''
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('{')) onLine(line)
  })
  socket.write('GET /v1/watch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  return socket
}
