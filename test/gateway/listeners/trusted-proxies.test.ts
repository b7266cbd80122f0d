// Goal: nobody but a trusted proxy says who a client is, by whatever way.
// Method: a whole worker over real sockets; the target tells what it was told, the access record whom the gateway saw.
import { execFileSync } from 'node:child_process'
import { afterEach, describe, expect, test } from 'vitest'
import type { ClientField } from '../../../gateway/addresses/forwarded.ts'
import { Networks } from '../../../shared/addresses/networks.ts'
import type { ProxyProtocol } from '../../../gateway/listeners/trusted-proxies.ts'
import { writeProxyHeader } from '../../../gateway/proxy-protocol/write-proxy-header.ts'
import { SLOT } from '../../../gateway/metrics/slots.ts'
import { api, targets } from '../support/definitions.ts'
import { startImpatientWorker, type OneWorker } from '../support/one-worker.ts'
import { openRaw, readToEnd, readUntil, sendRaw } from '../support/raw-client.ts'
import { startTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const stops: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

type Front = {
  readonly trusted: readonly string[]
  readonly field?: ClientField
  readonly proxyProtocol?: ProxyProtocol
}

/** A worker whose target answers with the X-Forwarded-For that it was sent. */
async function start(front: Front): Promise<OneWorker> {
  const target = await startTarget((request, response) => {
    response.end(`seen=${String(request.headers['x-forwarded-for'])}`)
  })
  stops.push(() => target.close())
  const { trusted, field = 'x-forwarded-for', proxyProtocol = 'off' } = front
  const records = { gateway: 'gw', format: '{client}', query: 'mask', sample: 1 } as const
  const worker = await startImpatientWorker(
    {
      records,
      proxyProtocol,
      trusted: trusted.length === 0 ? null : { networks: new Networks(trusted), field },
    },
    api('all', '/', targets(target.url)),
  )
  stops.push(() => worker.stop())
  return worker
}

function get(...fields: readonly string[]): string {
  return ['GET / HTTP/1.1', 'Host: x', 'Connection: close', ...fields, '', ''].join('\r\n')
}

/** What the target was told, and whom the access record names. */
async function ask(worker: OneWorker, ...bytes: readonly (string | Buffer)[]): Promise<object> {
  const before = worker.records.length
  const answer = await sendRaw(worker.port, Buffer.concat(bytes.map((part) => Buffer.from(part))))
  const client = await until('a record', () => worker.records[before])
  return { told: /seen=(.*)$/.exec(answer)?.[1], client }
}

describe('fields of requests', () => {
  test('of a client that is no trusted proxy change nothing', async () => {
    for (const trusted of [[], ['10.0.0.0/8']]) {
      const worker = await start({ trusted })
      const asked = ask(worker, get('X-Forwarded-For: 203.0.113.5', 'Forwarded: for=203.0.113.5'))
      expect(await asked).toEqual({ told: '203.0.113.5, 127.0.0.1', client: '127.0.0.1' })
    }
  })

  test('of a trusted proxy name the client, and what the client made up does not count', async () => {
    const worker = await start({ trusted: ['127.0.0.0/8', '10.0.0.0/8'] })
    const asked = ask(
      worker,
      get('X-Forwarded-For: 192.0.2.1, 203.0.113.5', 'X-Forwarded-For: 10.0.0.2'),
    )
    expect(await asked).toEqual({
      told: '192.0.2.1, 203.0.113.5, 10.0.0.2, 127.0.0.1',
      client: '203.0.113.5',
    })
  })

  test('only the one field that was chosen counts', async () => {
    const fields = ['X-Forwarded-For: 192.0.2.1', 'Forwarded: for="[2001:db8::7]:80";proto=https']
    const worker = await start({ trusted: ['127.0.0.1'], field: 'forwarded' })
    expect(await ask(worker, get(...fields))).toMatchObject({ client: '2001:db8::7' })
    const other = await start({ trusted: ['127.0.0.1'] })
    expect(await ask(other, get(...fields))).toMatchObject({ client: '192.0.2.1' })
    expect(await ask(other, get(fields[1] ?? ''))).toMatchObject({ client: '127.0.0.1' })
  })

  test('the requests of one connection each have their own client', async () => {
    const worker = await start({ trusted: ['127.0.0.1'] })
    const keep = 'GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n'
    await sendRaw(worker.port, keep + get('X-Forwarded-For: 192.0.2.2'))
    await until('two records', () => worker.records.length >= 2)
    expect(worker.records.slice(0, 2)).toEqual(['192.0.2.1', '192.0.2.2'])
  })
})

describe('PROXY headers', () => {
  const ends = {
    source: { address: '203.0.113.5', port: 4711 },
    destination: { address: '192.0.2.80', port: 443 },
  }
  const v1 = Buffer.from(writeProxyHeader('v1', ends))
  const v2 = Buffer.from(writeProxyHeader('v2', ends))

  test.each([
    ['v1', v1],
    ['v2', v2],
  ])('of version %s name the client of a trusted proxy', async (_version, header) => {
    for (const proxyProtocol of ['accept', 'require'] as const) {
      const worker = await start({ trusted: ['127.0.0.1'], proxyProtocol })
      const asked = ask(worker, header, get('X-Forwarded-For: 192.0.2.1'))
      expect(await asked).toEqual({ told: '192.0.2.1, 203.0.113.5', client: '203.0.113.5' })
    }
  })

  test('come in pieces, with the first request in the last one', async () => {
    const worker = await start({ trusted: ['127.0.0.1'], proxyProtocol: 'require' })
    const socket = await openRaw(worker.port)
    socket.setNoDelay(true)
    const bytes = Buffer.concat([v2, Buffer.from(get())])
    for (const byte of bytes.subarray(0, v2.length)) {
      await new Promise((resolve) => socket.write(Buffer.of(byte), resolve))
    }
    socket.write(bytes.subarray(v2.length))
    expect(await readToEnd(socket)).toContain('seen=203.0.113.5')
  })

  test('a trusted proxy behind another one is followed to the end', async () => {
    const worker = await start({
      trusted: ['127.0.0.1', '203.0.113.0/24'],
      proxyProtocol: 'accept',
    })
    const asked = ask(worker, v1, get('X-Forwarded-For: 192.0.2.1'))
    expect(await asked).toEqual({ told: '192.0.2.1, 203.0.113.5', client: '192.0.2.1' })
  })

  test('of a client that is no trusted proxy are no requests', async () => {
    for (const proxyProtocol of ['off', 'accept', 'require'] as const) {
      const worker = await start({ trusted: ['10.0.0.0/8'], proxyProtocol })
      const answer = await sendRaw(worker.port, v1, get())
      expect(answer).not.toContain('seen=')
      expect(worker.slots[SLOT.refused]).toBe(1)
      expect(worker.records).toEqual([])
    }
  })

  test('may be left out where they are accepted, and not where they are required', async () => {
    const accepting = await start({ trusted: ['127.0.0.1'], proxyProtocol: 'accept' })
    expect(await ask(accepting, get())).toEqual({ told: '127.0.0.1', client: '127.0.0.1' })
    const requiring = await start({ trusted: ['127.0.0.1'], proxyProtocol: 'require' })
    expect(await sendRaw(requiring.port, get())).toBe('')
    expect(await sendRaw(requiring.port, 'PROXY TCP4 nonsense\r\n', get())).toBe('')
    expect(requiring.slots[SLOT.refused]).toBe(2)
  })

  test('of a proxy that speaks for itself leave the connection its own', async () => {
    const worker = await start({ trusted: ['127.0.0.1'], proxyProtocol: 'require' })
    const asked = ask(worker, 'PROXY UNKNOWN\r\n', get())
    expect(await asked).toEqual({ told: '127.0.0.1', client: '127.0.0.1' })
  })

  test('a stop does not wait for one that never comes', async () => {
    const worker = await start({ trusted: ['127.0.0.1'], proxyProtocol: 'require' })
    const socket = await openRaw(worker.port)
    socket.write('PROXY TC')
    const closed = readToEnd(socket)
    stops.pop()
    await worker.stop()
    expect(await closed).toBe('')
  })

  test.skipIf(!hasCurl())('curl speaks it', async () => {
    const worker = await start({ trusted: ['127.0.0.1'], proxyProtocol: 'require' })
    const { execFile } = await import('node:child_process')
    const seen = await new Promise<string>((resolve, reject) => {
      execFile(
        'curl',
        ['-s', '--max-time', '5', '--haproxy-protocol', worker.url],
        (error, out) => {
          if (error === null) resolve(out)
          else reject(error)
        },
      )
    })
    expect(seen).toBe('seen=127.0.0.1')
  })
})

test('a keep-alive connection goes on behind its header', async () => {
  const worker = await start({ trusted: ['127.0.0.1'], proxyProtocol: 'accept' })
  const socket = await openRaw(worker.port)
  socket.write('PROXY TCP4 203.0.113.5 192.0.2.80 4711 443\r\n')
  for (let request = 0; request < 3; request++) {
    const answered = readUntil(socket, (text) => text.includes('seen=203.0.113.5'))
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(await answered).toContain('HTTP/1.1 200')
  }
  socket.destroy()
})

function hasCurl(): boolean {
  try {
    execFileSync('curl', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
