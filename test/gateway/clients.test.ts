// Goal: what people really call a gateway with, and put behind one, works unharmed. Method: curl, undici, ws and nginx
// as clients, nginx as a target, against a worker on real sockets. A program that is not there skips its tests by name.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { freePort } from '../processes/processes.ts'
import { api, targets } from './support/definitions.ts'
import { startImpatientWorker, startOneWorker, type OneWorker } from './support/one-worker.ts'
import { startTarget, type TestTarget } from './support/target.ts'
import { TestAuthority } from './support/test-authority.ts'
import { until } from './support/until.ts'

const run = promisify(execFile)

function has(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const hasCurl = has('curl', '--version')
const hasCurlHttp2 =
  hasCurl && execFileSync('curl', ['--version'], { encoding: 'utf8' }).includes('HTTP2')
const hasNginx = has('nginx', '-v')

let target: TestTarget
let worker: OneWorker

/** Says what it was asked, with the digest of the body that came. */
beforeEach(async () => {
  target = await startTarget((request, response) => {
    const digest = createHash('sha256')
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      digest.update(chunk)
      bytes += chunk.length
    })
    request.on('end', () => {
      const { method, url, headers } = request
      const body = JSON.stringify({ method, url, bytes, sha256: digest.digest('hex'), headers })
      response.setHeader('content-type', 'application/json')
      response.end(`${body}\n`)
    })
  })
  worker = await startOneWorker(to(target.url))
  onTestFinished(async () => {
    await worker.stop()
    await target.close()
  })
})

/** Everything goes to one target. */
function to(url: string): DefinitionInput {
  return api('all', '/', targets(url))
}

function digestOf(bytes: Buffer): { bytes: number; sha256: string } {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/** Runs curl and gives what it printed. */
async function curl(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('curl', ['-sS', '--max-time', '20', ...args])
  return stdout
}

async function temporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-clients-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

test.runIf(hasCurl)('curl: requests of all kinds, on one connection and on several', async () => {
  const { url } = worker
  expect(JSON.parse(await curl(`${url}/a?x=1`))).toMatchObject({ method: 'GET', url: '/a?x=1' })
  expect(await curl('-I', `${url}/a`)).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(JSON.parse(await curl('-X', 'DELETE', `${url}/a`))).toMatchObject({ method: 'DELETE' })
  expect(JSON.parse(await curl('-0', `${url}/old`))).toMatchObject({ url: '/old' })
  const twice = await curl('-w', '%{num_connects}\n', `${url}/1`, `${url}/2`)
  expect(twice.split('\n').filter((line) => /^\d$/.test(line))).toEqual(['1', '0'])
})

test.runIf(hasCurl)('curl: a body of a known length, a chunked one, and a form', async () => {
  const { url } = worker
  const dir = await temporaryDirectory()
  const bytes = randomBytes(300_000)
  const file = join(dir, 'body')
  await writeFile(file, bytes)
  // Of more than a megabyte curl would ask with Expect: 100-continue; it can be told to for less.
  const known = await curl('-H', 'Expect: 100-continue', '--data-binary', `@${file}`, `${url}/up`)
  expect(JSON.parse(known)).toMatchObject(digestOf(bytes))
  const chunked = await curl('-T', file, '-H', 'Transfer-Encoding: chunked', `${url}/up`)
  expect(JSON.parse(chunked)).toMatchObject({ method: 'PUT', ...digestOf(bytes) })
  const form = await curl('-F', `file=@${file}`, '-F', 'name=value', `${url}/form`)
  expect(JSON.parse(form).headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
})

test.runIf(hasCurlHttp2)('curl: HTTP/2 by prior knowledge, with a body and without', async () => {
  const { url } = worker
  const http2 = ['--http2-prior-knowledge', '-w', '%{http_version}']
  const posted = await curl(...http2, '-d', 'x'.repeat(100_000), `${url}/a`)
  expect(posted).toContain('"bytes":100000')
  expect(posted.endsWith('\n2')).toBe(true)
  expect(await curl(...http2, '-I', `${url}/a`)).toMatch(/^HTTP\/2 200 \r\n/)
})

test.runIf(hasCurlHttp2)('curl: HTTP/2 as the handshake of TLS has it', async () => {
  const authority = await TestAuthority.make('servers')
  const dir = await temporaryDirectory()
  await writeFile(join(dir, 'ca.pem'), authority.pem)
  const spec = await authority.issue(['one.test'])
  const secure = await startImpatientWorker({ https: {} }, to(target.url), {
    kind: 'Certificate',
    name: 'one',
    spec,
  })
  onTestFinished(() => secure.stop())
  const at = `one.test:${secure.httpsPort}`
  const args = ['--cacert', join(dir, 'ca.pem'), '--resolve', `${at}:127.0.0.1`]
  const version = ['-o', '/dev/null', '-w', '%{http_version}']
  expect(await curl(...args, ...version, `https://${at}/a`)).toBe('2')
  expect(await curl(...args, ...version, '--http1.1', `https://${at}/a`)).toBe('1.1')
})

test.runIf(hasCurl)('curl: a change to WebSocket, and what comes behind it', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  onTestFinished(() => server.close())
  server.on('connection', (socket) => socket.send('hello', () => socket.terminate()))
  const { port } = server.address() as AddressInfo
  worker.adopt(to(`http://127.0.0.1:${port}`))
  const asked = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  // The example of RFC 6455 1.3.
  const fields = [...asked, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
  const headers = fields.flatMap((field) => ['-H', field])
  const answer = await curl('-i', '-N', '--http1.1', ...headers, `${worker.url}/chat`)
  expect(answer).toMatch(/^HTTP\/1\.1 101 /)
  expect(answer).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')
  expect(answer.endsWith('hello')).toBe(true)
})

test('undici: a pool with pipelined requests gets every answer, in order', async () => {
  const pool = new Pool(worker.url, { connections: 2, pipelining: 10 })
  onTestFinished(() => pool.close())
  const bodies = Array.from({ length: 100 }, (_, at) => randomBytes(at * 100))
  const answers = await Promise.all(
    bodies.map(async (body, at) => {
      const answer = await pool.request({ method: 'PUT', path: `/n/${at}`, body })
      return answer.body.json()
    }),
  )
  for (const [at, answer] of answers.entries()) {
    expect(answer).toMatchObject({ url: `/n/${at}`, ...digestOf(bodies[at] ?? Buffer.alloc(0)) })
  }
})

test('fetch: a body that is made while it is sent, and one that is read while it comes', async () => {
  const pieces = Array.from({ length: 50 }, () => randomBytes(10_000))
  const stream = ReadableStream.from(pieces)
  const answer = await fetch(`${worker.url}/up`, { method: 'POST', body: stream, duplex: 'half' })
  expect(await answer.json()).toMatchObject(digestOf(Buffer.concat(pieces)))
})

test('ws: texts and bytes both ways, large ones too, and the closing handshake', async () => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  })
  worker.adopt(to(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
  const socket = new WebSocket(`${worker.url.replace('http', 'ws')}/echo`)
  await once(socket, 'open')
  const large = randomBytes(500_000)
  for (const sent of ['text', large]) {
    socket.send(sent)
    const [data] = (await once(socket, 'message')) as [Buffer]
    expect(data.equals(Buffer.from(sent))).toBe(true)
  }
  socket.ping()
  await once(socket, 'pong')
  socket.close(4_001, 'enough')
  const [code] = (await once(socket, 'close')) as [number]
  expect(code).toBe(4_001)
})

/** Starts nginx with a configuration of its own, and waits until it answers on `port`. */
async function nginx(server: string, port: number): Promise<void> {
  const dir = await temporaryDirectory()
  await mkdir(join(dir, 'logs'))
  const config = `daemon off;
    master_process off;
    pid ${dir}/nginx.pid;
    error_log ${dir}/logs/error.log;
    events { worker_connections 256; }
    http {
      access_log off;
      client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
      uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
      client_max_body_size 10m;
      ${server}
    }`
  await writeFile(join(dir, 'nginx.conf'), config)
  const child: ChildProcess = spawn('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf')], {
    stdio: 'ignore',
  })
  onTestFinished(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
  await until('nginx', async () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    ),
  )
}

test.runIf(hasNginx)(
  'nginx as a client: kept connections, bodies streamed and buffered',
  async () => {
    const port = await freePort()
    const authority = new URL(worker.url).host
    await nginx(
      `upstream gateway { server ${authority}; keepalive 4; }
     server {
       listen 127.0.0.1:${port};
       location / { proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection ""; }
       location /streamed/ {
         proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection "";
         proxy_request_buffering off;
       }
     }`,
      port,
    )
    const body = randomBytes(400_000)
    for (const path of ['/a', '/streamed/b', '/a']) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body })
      expect(await answer.json()).toMatchObject({ url: path, ...digestOf(body) })
    }
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => fetch(`http://127.0.0.1:${port}/n/${at}`)),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200))
  },
)

test.runIf(hasNginx)('nginx as a target: files, ranges, not modified, and its errors', async () => {
  const port = await freePort()
  const dir = await temporaryDirectory()
  const bytes = randomBytes(600_000)
  await writeFile(join(dir, 'file.bin'), bytes)
  await nginx(`server { listen 127.0.0.1:${port}; root ${dir}; keepalive_requests 3; }`, port)
  worker.adopt(to(`http://127.0.0.1:${port}`))
  const whole = await fetch(`${worker.url}/file.bin`)
  expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true)
  const range = await fetch(`${worker.url}/file.bin`, { headers: { range: 'bytes=100-199' } })
  expect(range.status).toBe(206)
  expect(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(100, 200))).toBe(true)
  const etag = whole.headers.get('etag') ?? ''
  const same = await fetch(`${worker.url}/file.bin`, { headers: { 'if-none-match': etag } })
  expect(same.status).toBe(304)
  expect(
    (await fetch(`${worker.url}/file.bin`, { method: 'HEAD' })).headers.get('content-length'),
  ).toBe('600000')
  // It closes a connection after three requests: none of these may meet that.
  for (let at = 0; at < 20; at++) {
    expect((await fetch(`${worker.url}/missing-${at}`)).status).toBe(404)
  }
})
