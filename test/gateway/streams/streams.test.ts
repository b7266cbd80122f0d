// Goal: connections of Streams reach the right target, whole, and nothing that happens to others touches them.
// Method: the Streams of a worker in this thread, with real sockets, real TLS, and nginx and haproxy as receivers.
import { execFile, execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { STREAM_SLOT, STREAM_ERRORS } from '../../../gateway/metrics/slots.ts'
import { readProxyHeader } from '../../../gateway/proxy-protocol/read-proxy-header.ts'
import type { ErrorCode } from '../../../shared/errors.ts'
import { aPair, anAuthority } from '../../control-plane/tls/certificates.ts'
import {
  freePort,
  startStreams,
  startTcp,
  stream,
  type OneStreams,
} from '../support/one-streams.ts'
import { openRaw, readToEnd, readUntil, sendRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

const stops: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop()
})

async function start(options: Parameters<typeof startStreams>[0] = {}): Promise<OneStreams> {
  const streams = await startStreams(options)
  stops.push(() => streams.stop())
  return streams
}

/** A target that says its name and then everything that it hears. */
async function echo(name: string): Promise<number> {
  const server = await startTcp((socket) => {
    socket.write(`${name}:`)
    socket.pipe(socket)
  })
  stops.push(() => server.close())
  return server.port
}

function errors(streams: OneStreams, name: string, code: ErrorCode): number {
  const slot = STREAM_SLOT.errors + STREAM_ERRORS.findIndex((known) => known === code)
  return streams.counted(name)[slot] ?? 0
}

/** Says something, closes its side, and reads to the end. */
async function talk(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.end(text)
  return readToEnd(socket)
}

describe('a port without names', () => {
  test('passes bytes on both ways, and counts and records them', async () => {
    const streams = await start()
    const port = await freePort()
    const target = await echo('db')
    await streams.adopt(stream('db', port, [target]))
    expect(await talk(port, 'hello')).toBe('db:hello')
    const record = await until('a record', () => streams.records[0])
    expect(record).toEqual({
      client: '127.0.0.1',
      stream: 'db',
      port,
      serverName: null,
      upstream: 'Stream/db',
      target: `tcp://127.0.0.1:${target}`,
      attempts: 1,
      code: null,
      receivedBytes: 5,
      sentBytes: 8,
    })
    const counted = streams.counted('db')
    expect(Array.from(counted.slice(0, 4))).toEqual([1, 0, 5, 8])
  })

  test('lets the server speak first', async () => {
    const streams = await start()
    const port = await freePort()
    await streams.adopt(stream('db', port, [await echo('db')]))
    const socket = await openRaw(port)
    expect(await readUntil(socket, (text) => text.endsWith(':'))).toBe('db:')
    socket.destroy()
  })

  test('keeps a half-closed connection until the other side ends, too', async () => {
    const streams = await start()
    const port = await freePort()
    const server = await startTcp((socket) => {
      socket.resume().on('end', () => {
        socket.write('after the end')
        setImmediate(() => socket.end(', all'))
      })
    })
    stops.push(() => server.close())
    await streams.adopt(stream('half', port, [server.port]))
    expect(await talk(port, 'question')).toBe('after the end, all')
  })

  test('holds back a side that is faster than the other', async () => {
    const streams = await start()
    const port = await freePort()
    let written = 0
    const server = await startTcp((socket) => {
      const piece = Buffer.alloc(64 * 1_024)
      const write = (): void => {
        while (written < 512 * 1_024 * 1_024 && socket.write(piece)) written += piece.length
      }
      socket.on('drain', write)
      write()
    })
    stops.push(() => server.close())
    await streams.adopt(stream('fast', port, [server.port]))
    const before = process.memoryUsage().rss
    const socket = await openRaw(port)
    socket.pause()
    let last = -1
    await until('a source that waits', () => {
      const isWaiting = written > 0 && written === last
      last = written
      return isWaiting
    })
    // What the buffers of three sockets hold, and not what the source has.
    expect(written).toBeLessThan(64 * 1_024 * 1_024)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1_024 * 1_024)
    socket.destroy()
    await until('an end', () => server.sockets.size === 0)
  })

  test('tries another target when one cannot be reached, and gives up in the end', async () => {
    const streams = await start()
    const [port, dead] = [await freePort(), await freePort()]
    await streams.adopt(stream('db', port, [dead, await echo('db')]))
    for (let call = 0; call < 4; call++) expect(await talk(port, 'x')).toBe('db:x')
    expect(errors(streams, 'db', 'UPSTREAM_UNREACHABLE')).toBeGreaterThan(0)
    await streams.adopt(stream('db', port, [dead]))
    expect(await talk(port, 'x')).toBe('')
    const record = await until('a record', () => streams.records.find(({ code }) => code !== null))
    expect(record).toMatchObject({ code: 'UPSTREAM_UNREACHABLE', receivedBytes: 0 })
  })

  test('ejects a target that fails, as Apis do', async () => {
    const streams = await start()
    const [port, dead, well] = [await freePort(), await freePort(), await echo('db')]
    const targets = [dead, well].map((target) => ({ url: `tcp://127.0.0.1:${target}` }))
    const health = { passive: { failuresInRow: 1 } }
    await streams.adopt(stream('db', port, [], { upstream: { targets, health } }))
    for (let call = 0; call < 6; call++) expect(await talk(port, 'x')).toBe('db:x')
    expect(errors(streams, 'db', 'UPSTREAM_UNREACHABLE')).toBe(1)
  })

  test('has a bound of connections, and one of silence', async () => {
    const streams = await start()
    const port = await freePort()
    await streams.adopt(stream('db', port, [await echo('db')], { connectionsMax: 1, idleMs: 200 }))
    const first = await openRaw(port)
    await readUntil(first, (text) => text === 'db:')
    expect(await sendRaw(port)).toBe('')
    expect(errors(streams, 'db', 'OVERLOADED')).toBe(1)
    // Silent for 200 ms.
    expect(await readToEnd(first)).toBe('')
    expect(await talk(port, 'again')).toBe('db:again')
  })
})

describe('names of TLS clients', () => {
  /** A TLS server for a host, that says its name. */
  async function tlsTarget(name: string): Promise<{ readonly port: number; readonly ca: string }> {
    const authority = await anAuthority()
    const server = createTlsServer(await aPair(authority, { hosts: [name] }), (socket) => {
      socket.on('error', () => {})
      socket.write(`${name}:`)
      socket.pipe(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    stops.push(() => new Promise((resolve) => server.close(resolve)))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    return { port, ca: authority.certificate.toString() }
  }

  async function talkTls(port: number, servername: string, ca: string): Promise<string> {
    const socket = connectTls({ port, host: '127.0.0.1', servername, ca })
    socket.on('error', () => {})
    socket.end('hello')
    return readToEnd(socket)
  }

  test('decide between targets that have the certificates', async () => {
    const streams = await start()
    const port = await freePort()
    const [a, b] = [await tlsTarget('a.example'), await tlsTarget('b.a.example')]
    await streams.adopt(
      stream('a', port, [a.port], { sni: ['a.example'] }),
      stream('b', port, [b.port], { sni: ['*.a.example'] }),
    )
    expect(await talkTls(port, 'a.example', a.ca)).toBe('a.example:hello')
    expect(await talkTls(port, 'b.a.example', b.ca)).toBe('b.a.example:hello')
    // The gateway has no part in what they agree on: the wrong authority is refused by the client itself.
    expect(await talkTls(port, 'a.example', b.ca)).toBe('')
    expect(streams.records.map(({ serverName }) => serverName)).toContain('b.a.example')
  })

  test('that nobody has are told so, and the rest is for the Stream without names', async () => {
    const streams = await start()
    const [port, a] = [await freePort(), await tlsTarget('a.example')]
    await streams.adopt(stream('a', port, [a.port], { sni: ['a.example'] }))
    const alert = await new Promise<string>((resolve) => {
      const socket = connectTls({ port, host: '127.0.0.1', servername: 'other.example' })
      socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message))
    })
    expect(alert).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME')
    expect(await talk(port, 'no TLS')).toBe('')
    expect(errors(streams, '', 'NOT_FOUND')).toBe(2)
    await streams.adopt(stream('rest', port, [await echo('rest')]))
    expect(await talk(port, 'no TLS')).toBe('rest:no TLS')
    expect(await talkTls(port, 'a.example', a.ca)).toBe('a.example:hello')
  })

  test('curl sees no difference', { skip: !has('curl') }, async () => {
    const streams = await start()
    const directory = await mkdtemp(join(tmpdir(), 'raftway-streams-'))
    stops.push(() => rm(directory, { recursive: true }))
    const { createServer: createHttps } = await import('node:https')
    const authority = await anAuthority()
    const pair = await aPair(authority, { hosts: ['a.example'] })
    const server = createHttps(pair, (_request, response) => response.end('over TLS'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    stops.push(() => new Promise((resolve) => server.close(resolve)))
    const address = server.address()
    const target = typeof address === 'object' && address !== null ? address.port : 0
    await writeFile(join(directory, 'ca.pem'), authority.certificate.toString())
    const port = await freePort()
    await streams.adopt(stream('a', port, [target], { sni: ['a.example'] }))
    const args = ['-s', '--cacert', join(directory, 'ca.pem')]
    const resolve = ['--resolve', `a.example:${port}:127.0.0.1`]
    const url = `https://a.example:${port}/`
    expect(await run('curl', [...args, ...resolve, url])).toBe('over TLS')
  })
})

describe('PROXY headers', () => {
  /** A target that answers with what the header says, and everything behind it. */
  async function proxied(): Promise<number> {
    const server = await startTcp((socket) => {
      let bytes = Buffer.alloc(0)
      socket.on('data', (piece: Buffer) => {
        bytes = Buffer.concat([bytes, piece])
      })
      socket.on('end', () => {
        const read = readProxyHeader(bytes)
        const length = read.type === 'header' ? read.length : 0
        const source = read.type === 'header' ? read.endpoints?.source : null
        socket.end(`${read.type} ${source?.address} ${bytes.subarray(length).toString()}`)
      })
    })
    stops.push(() => server.close())
    return server.port
  }

  test.each(['v1', 'v2'] as const)('of %s are sent to targets first', async (proxyProtocol) => {
    const streams = await start()
    const port = await freePort()
    await streams.adopt(stream('db', port, [await proxied()], { proxyProtocol }))
    expect(await talk(port, 'hello')).toBe('header 127.0.0.1 hello')
  })

  test('of trusted proxies are taken, and passed on', async () => {
    const streams = await start({ trusted: ['127.0.0.1'] })
    const port = await freePort()
    const more = { acceptProxyProtocol: true, proxyProtocol: 'v2' } as const
    await streams.adopt(stream('db', port, [await proxied()], more))
    const header = 'PROXY TCP4 203.0.113.5 192.0.2.80 4711 443\r\n'
    expect(await talk(port, `${header}hello`)).toBe('header 203.0.113.5 hello')
    expect(streams.records[0]).toMatchObject({ client: '203.0.113.5', receivedBytes: 5 })
    expect(await talk(port, 'hello')).toBe('')
  })

  test('of others are not believed', async () => {
    const streams = await start({ trusted: ['10.0.0.0/8'] })
    const [port, plain, target] = [await freePort(), await freePort(), await echo('db')]
    await streams.adopt(
      stream('db', port, [target], { acceptProxyProtocol: true }),
      stream('plain', plain, [target]),
    )
    const header = 'PROXY TCP4 203.0.113.5 192.0.2.80 4711 443\r\n'
    expect(await talk(port, `${header}hello`)).toBe('')
    expect(errors(streams, '', 'FORBIDDEN')).toBe(1)
    // Where none is expected it is what the client has to say to the target.
    expect(await talk(plain, header)).toBe(`db:${header}`)
    expect(streams.records[0]).toMatchObject({ client: '127.0.0.1' })
  })

  test.each(['v1', 'v2'] as const)(
    'of %s are understood by nginx',
    { skip: !has('nginx') },
    async (proxyProtocol) => {
      const [port, target] = [await freePort(), await freePort()]
      const directory = await mkdtemp(join(tmpdir(), 'raftway-nginx-'))
      stops.push(() => rm(directory, { recursive: true }))
      await writeFile(
        join(directory, 'nginx.conf'),
        `daemon off; master_process off; pid ${directory}/pid; error_log stderr;
         events {} http { access_log off;
           client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p;
           fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
           server { listen 127.0.0.1:${target} proxy_protocol;
             return 200 "$proxy_protocol_addr $request_uri"; } }`,
      )
      begin('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf')])
      await listens(target)
      const streams = await start({ trusted: ['127.0.0.1'] })
      const more = { acceptProxyProtocol: true, proxyProtocol }
      await streams.adopt(stream('web', port, [target], more))
      const header = 'PROXY TCP6 2001:db8::5 2001:db8::80 4711 443\r\n'
      const request = 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
      expect(await sendRaw(port, header, request)).toContain('\r\n\r\n2001:db8::5 /x')
    },
  )

  test('go from haproxy through a Stream to haproxy', { skip: !has('haproxy') }, async () => {
    const [entry, port, target] = [await freePort(), await freePort(), await freePort()]
    const directory = await mkdtemp(join(tmpdir(), 'raftway-haproxy-'))
    stops.push(() => rm(directory, { recursive: true }))
    await writeFile(
      join(directory, 'haproxy.cfg'),
      `defaults
  mode tcp
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend entry
  bind 127.0.0.1:${entry}
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:${port} send-proxy-v2 source 127.0.0.1
frontend target
  mode http
  bind 127.0.0.1:${target} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[dst_port]"
`,
    )
    begin('haproxy', ['-f', join(directory, 'haproxy.cfg'), '-db', '-q'])
    await listens(entry)
    const streams = await start({ trusted: ['127.0.0.1'] })
    const more = { acceptProxyProtocol: true, proxyProtocol: 'v1' } as const
    await streams.adopt(stream('web', port, [target], more))
    const request = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    const socket = await openRaw(entry)
    socket.write(request)
    const answer = await readUntil(socket, (text) => text.includes('\r\n\r\n127.0.0.1 '))
    expect(answer).toContain(`127.0.0.1 ${entry}`)
    socket.destroy()
    const record = await until('a record', () => streams.records[0])
    expect(record).toMatchObject({ client: '127.0.0.1', code: null })
  })
})

describe('a change of the config', () => {
  test('leaves connections alone: theirs is what they began with', async () => {
    const streams = await start()
    const [port, other] = [await freePort(), await freePort()]
    const [one, two] = [await echo('one'), await echo('two')]
    await streams.adopt(stream('db', port, [one]))
    const kept = await openRaw(port)
    await readUntil(kept, (text) => text === 'one:')
    await streams.adopt(stream('db', port, [two]))
    expect(await talk(port, 'x')).toBe('two:x')
    await streams.adopt(stream('db', other, [two]))
    expect(await talk(other, 'x')).toBe('two:x')
    await isClosed(port)
    kept.end('still here')
    expect(await readToEnd(kept)).toBe('still here')
  })

  test('two Streams change places in one step', async () => {
    const streams = await start()
    const [first, second] = [await freePort(), await freePort()]
    const [one, two] = [await echo('one'), await echo('two')]
    await streams.adopt(stream('one', first, [one]), stream('two', second, [two]))
    await streams.adopt(stream('one', second, [one]), stream('two', first, [two]))
    expect(await talk(first, 'x')).toBe('two:x')
    expect(await talk(second, 'x')).toBe('one:x')
  })

  test('a Stream that is gone drains, and is cut in the end', async () => {
    const streams = await start({ drainMs: 300 })
    const port = await freePort()
    await streams.adopt(stream('db', port, [await echo('db')]))
    const [short, long] = [await openRaw(port), await openRaw(port)]
    for (const socket of [short, long]) await readUntil(socket, (text) => text === 'db:')
    await streams.remove('db')
    await isClosed(port)
    short.end('time enough')
    expect(await readToEnd(short)).toBe('time enough')
    const cut = readToEnd(long)
    expect(await cut).toBe('')
    await until('two records', () => streams.records.length === 2)
  })

  test('under load no connection is dropped', async () => {
    const streams = await start()
    const [port, other] = [await freePort(), await freePort()]
    const targets = [await echo('t'), await echo('t')]
    await streams.adopt(stream('db', port, targets))
    const load = new AbortController()
    let calls = 0
    const loads = Array.from({ length: 8 }, async () => {
      while (!load.signal.aborted) {
        const text = `call ${calls++}`
        expect(await talk(port, text)).toBe(`t:${text}`)
      }
    })
    const long = await openRaw(port)
    for (let swap = 0; swap < 100; swap++) {
      const balance = swap % 2 === 0 ? 'least-connections' : 'round-robin'
      const urls = (swap % 3 === 0 ? targets.slice(1) : targets).map((target) => ({
        url: `tcp://127.0.0.1:${target}`,
      }))
      await streams.adopt(stream('db', port, [], { upstream: { balance, targets: urls } }))
      if (swap % 2 === 0) await streams.adopt(stream('coming', other, targets))
      else await streams.remove('coming')
    }
    load.abort()
    await Promise.all(loads)
    long.end('from the beginning')
    expect(await readToEnd(long)).toBe('t:from the beginning')
    expect(calls).toBeGreaterThan(20)
    expect(streams.counted('db')[STREAM_SLOT.active]).toBe(0)
  })
})

describe('a port that cannot be had', () => {
  test('quarantines its Stream, and is tried again', async () => {
    const streams = await start()
    const [old, port] = [await freePort(), await freePort()]
    const target = await echo('db')
    await streams.adopt(stream('db', old, [target]))
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', () => resolve()))
    await streams.adopt(stream('db', port, [target]))
    const [quarantined] = streams.ports.quarantined
    expect(quarantined).toMatchObject({ kind: 'Stream', name: 'db' })
    expect(quarantined?.reason).toContain(`port ${port} cannot be opened`)
    expect(quarantined?.reason).toContain('EADDRINUSE')
    // Its last form that had a port goes on.
    expect(await talk(old, 'x')).toBe('db:x')
    await new Promise((resolve) => squatter.close(resolve))
    await until('another try', () => streams.ports.quarantined.length === 0)
    expect(await talk(port, 'x')).toBe('db:x')
    await isClosed(old)
  })

  test('is one that the operator does not allow, or that the gateway has itself', async () => {
    const [port, own] = [await freePort(), await freePort()]
    const rules = { allowed: [{ from: own, to: own }], own: new Set([own]) }
    const streams = await start({ rules })
    const target = await echo('db')
    await streams.adopt(stream('db', port, [target]), stream('own', own, [target]))
    expect(streams.ports.quarantined.map(({ name, reason }) => [name, reason])).toEqual([
      ['db', `port ${port} is not opened: --stream-ports of this gateway says ${own}`],
      ['own', `port ${own} is one that this gateway has for itself`],
    ])
    await isClosed(port)
  })
})

function has(program: string): boolean {
  try {
    execFileSync(program, [program === 'curl' ? '--version' : '-v'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { timeout: 10_000 }, (error, out) => {
      if (error === null) resolve(out)
      else reject(error)
    })
  })
}

/** A program that runs to the end of the test. */
function begin(program: string, args: readonly string[]): void {
  const child = spawn(program, [...args], { stdio: 'ignore' })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  stops.push(() => {
    child.kill('SIGKILL')
    return gone
  })
}

async function isClosed(port: number): Promise<void> {
  await until(`nobody on port ${port}`, () =>
    openRaw(port).then(
      (socket) => void socket.destroy(),
      () => true,
    ),
  )
}

async function listens(port: number): Promise<void> {
  const socket = await until<Socket>(`somebody on port ${port}`, () =>
    openRaw(port).catch(() => null),
  )
  socket.destroy()
}
