// What is asked of a server, by programs of Debian on the second core: wrk over HTTP/1.1, h2load over HTTP/2.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { percentile } from '../figures.ts'

const run = promisify(execFile)
/** Streams of a connection that are under way at once, over HTTP/2. */
const STREAMS = 10

/** How a server is asked. */
export type Load = {
  readonly connections: number
  readonly protocol: 'http' | 'https' | 'h2'
  /** Asked for in turn. */
  readonly paths: readonly string[]
  /** Posted with each request; '' gets. */
  readonly body: string
  /** A connection, and a handshake, for each request. */
  readonly isFresh: boolean
  /** Sent with each request over HTTP/1.1. */
  readonly headers?: Readonly<Record<string, string>>
}

/** What came of it. Times are those of answered requests, from the moment at which one was sent. */
export type Answered = {
  readonly requests: number
  readonly failures: number
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
}

/** How fast: as fast as answers come, or this many requests a second, at moments that are drawn by chance. */
export type Pace = { readonly type: 'full' } | { readonly type: 'rate'; readonly perSecond: number }

/** A server's door, as a load comes to it. */
export type Door = { readonly port: number; readonly program: string; readonly seconds: number }

/** Loads a server for some seconds. */
export function apply(load: Load, pace: Pace, door: Door): Promise<Answered> {
  return load.protocol === 'h2' ? byH2load(load, pace, door) : byWrk(load, pace, door)
}

async function byWrk(load: Load, pace: Pace, { port, program, seconds }: Door): Promise<Answered> {
  return inDirectory(async (dir) => {
    const script = join(dir, 'load.lua')
    await writeFile(script, wrkScript(load, pace))
    const url = `${load.protocol}://127.0.0.1:${port}`
    const args = ['-c', '1', program, '-t', '1', '-c', String(load.connections)]
    const { stdout } = await run('taskset', [...args, '-d', `${seconds}s`, '-s', script, url])
    const line = /^\{.*\}$/m.exec(stdout)?.[0] ?? '{}'
    return JSON.parse(line) as Answered
  })
}

/**
 * wrk asks again when it was answered. With a pause between that is drawn by chance, as many connections as there are make a
 * rate of about what is wanted, at moments that do not depend on one another.
 */
function wrkScript(load: Load, pace: Pace): string {
  const { paths, body, isFresh, connections, headers = {} } = load
  const lines = [`wrk.body = ${body === '' ? 'nil' : `string.rep("x", ${body.length})`}`]
  lines.push(`wrk.method = "${body === '' ? 'GET' : 'POST'}"`)
  for (const [name, value] of Object.entries(headers)) {
    lines.push(`wrk.headers["${name}"] = "${value}"`)
  }
  if (isFresh) lines.push('wrk.headers["Connection"] = "close"')
  lines.push(`local paths = {${paths.map((path) => `"${path}"`).join(',')}}`)
  lines.push('local requests, at = {}, 0')
  lines.push(
    'function init() for i, p in ipairs(paths) do requests[i] = wrk.format(nil, p) end end',
  )
  lines.push('function request() at = at % #requests + 1; return requests[at] end')
  if (pace.type === 'rate') {
    const pauseMs = pauseOf(connections, pace.perSecond)
    lines.push(`function delay()
  local ms = -${pauseMs} * math.log(1 - math.random())
  local whole = math.floor(ms)
  return math.random() < ms - whole and whole + 1 or whole
end`)
  }
  lines.push(`function done(all, times)
  local e = all.errors
  print(string.format('{"requests":%d,"failures":%d,"perSecond":%f,"p50Us":%d,"p99Us":%d}', all.requests,
    e.connect + e.read + e.write + e.status + e.timeout, all.requests / all.duration * 1e6,
    times:percentile(50), times:percentile(99)))
end`)
  return lines.join('\n')
}

/** Between an answer and the next request of a connection; what an answer takes at half load is guessed. */
function pauseOf(connections: number, perSecond: number): number {
  return ((connections - 0.75) / perSecond) * 1_000
}

async function byH2load(
  load: Load,
  pace: Pace,
  { port, program, seconds }: Door,
): Promise<Answered> {
  return inDirectory(async (dir) => {
    const { connections, body, paths } = load
    const log = join(dir, 'log')
    const urls = join(dir, 'urls')
    await writeFile(urls, paths.map((path) => `https://127.0.0.1:${port}${path}\n`).join(''))
    const args = ['-c', '1', program, '-c', String(connections), '-m', String(STREAMS)]
    args.push('-D', `${seconds}s`, '--log-file', log, '-i', urls, '--npn-list', 'h2')
    if (body !== '') {
      await writeFile(join(dir, 'body'), body)
      args.push('-d', join(dir, 'body'))
    }
    if (pace.type === 'rate') args.push('--rps', String(pace.perSecond / connections))
    await run('taskset', args)
    const rows = (await readFile(log, 'utf8')).split('\n').filter((row) => row !== '')
    const answers = rows.map((row) => row.split('\t').map(Number))
    const times = answers.map(([, , us = Number.NaN]) => us)
    return {
      requests: answers.length,
      failures: answers.filter(([, status]) => status !== 200).length,
      perSecond: answers.length / seconds,
      p50Us: percentile(times, 0.5),
      p99Us: percentile(times, 0.99),
    }
  })
}

async function inDirectory<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-bench-'))
  try {
    return await work(dir)
  } finally {
    await rm(dir, { recursive: true })
  }
}
