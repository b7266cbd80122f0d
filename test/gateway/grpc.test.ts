// Goal: gRPC passes a gateway unharmed: unary calls and all kinds of streams, metadata, trailers, statuses and deadlines; and
// what the gateway itself has to say, it says as gRPC does. Method: the client and server of @grpc/grpc-js, with messages of
// plain bytes; heads by hand where the client would hide what came.
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { afterEach, expect, test } from 'vitest'
import { api } from './support/definitions.ts'
import { connectHttp2, fetchHttp2 } from './support/http2-client.ts'
import { startHttp2Target } from './support/http2-target.ts'
import { startOneWorker, type OneWorker } from './support/one-worker.ts'
import { deadUrl, startTarget } from './support/target.ts'

const closing: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const same = (bytes: Buffer): Buffer => bytes
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
})
const METHODS = {
  unary: method('unary', false, false),
  gather: method('gather', true, false),
  spread: method('spread', false, true),
  chat: method('chat', true, true),
}
const SERVICE: ServiceDefinition = METHODS

const SERVED: UntypedServiceImplementation = {
  unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
    const given = call.metadata.get('x-given')[0]
    const trailers = new Metadata()
    trailers.set('x-trailer', String(given))
    if (String(call.request) === 'fail') {
      answer({ code: status.NOT_FOUND, details: 'no such thing: 50 %' }, null, trailers)
      return
    }
    const head = new Metadata()
    head.set('x-head', String(given))
    call.sendMetadata(head)
    answer(null, Buffer.from(`unary ${String(call.request)}`), trailers)
  },
  gather: (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
    const parts: string[] = []
    call.on('data', (part: Buffer) => parts.push(String(part)))
    call.on('end', () => answer(null, Buffer.from(parts.join('+'))))
  },
  spread: (call: ServerWritableStream<Buffer, Buffer>) => {
    for (const part of String(call.request).split('+')) call.write(Buffer.from(part))
    call.end()
  },
  chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
    call.on('data', (part: Buffer) => call.write(Buffer.from(`re: ${String(part)}`)))
    call.on('end', () => call.end())
  },
}

async function grpcServer(): Promise<string> {
  const server = new Server()
  server.addService(SERVICE, SERVED)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  closing.push(() => server.forceShutdown())
  return `http://127.0.0.1:${port}`
}

async function gatewayTo(url: string, protocol: 'http1' | 'http2' = 'http2'): Promise<OneWorker> {
  const gateway = await startOneWorker(api('a', '/test.Echo/', { targets: [{ url }], protocol }))
  closing.push(() => gateway.stop())
  return gateway
}

function clientOf(gateway: OneWorker): Client {
  const client = new Client(`127.0.0.1:${gateway.port}`, credentials.createInsecure())
  closing.push(() => client.close())
  return client
}

type Unary = {
  readonly error: ServiceError | null
  readonly body: string
  readonly head: Metadata | null
  readonly trailers: Metadata | null
}

function unary(client: Client, text: string): Promise<Unary> {
  return new Promise((resolve) => {
    const metadata = new Metadata()
    metadata.set('x-given', 'seven')
    let head: Metadata | null = null
    let trailers: Metadata | null = null
    const { path } = METHODS.unary
    const call = client.makeUnaryRequest(
      path,
      same,
      same,
      Buffer.from(text),
      metadata,
      (error, answer) => {
        // The status is told after the answer.
        setImmediate(() => resolve({ error, body: String(answer ?? ''), head, trailers }))
      },
    )
    call.on('metadata', (given: Metadata) => {
      head = given
    })
    call.on('status', (given: { readonly metadata: Metadata }) => {
      trailers = given.metadata
    })
  })
}

test('a unary call passes with its metadata and trailers', async () => {
  const client = clientOf(await gatewayTo(await grpcServer()))
  const { error, body, head, trailers } = await unary(client, 'hello')
  expect(error).toBeNull()
  expect(body).toBe('unary hello')
  expect(head?.get('x-head')).toEqual(['seven'])
  expect(trailers?.get('x-trailer')).toEqual(['seven'])
})

test('an error of the server is told as it is', async () => {
  const client = clientOf(await gatewayTo(await grpcServer()))
  const { error } = await unary(client, 'fail')
  expect(error).toMatchObject({ code: status.NOT_FOUND, details: 'no such thing: 50 %' })
  expect(error?.metadata.get('x-trailer')).toEqual(['seven'])
})

test('streams of the client, of the server and of both pass', async () => {
  const client = clientOf(await gatewayTo(await grpcServer()))
  const gathered = new Promise<string>((resolve, reject) => {
    const call = client.makeClientStreamRequest(
      METHODS.gather.path,
      same,
      same,
      (error, answer) => {
        if (error === null) resolve(String(answer))
        else reject(error)
      },
    )
    for (const part of ['a', 'b', 'c']) call.write(Buffer.from(part))
    call.end()
  })
  expect(await gathered).toBe('a+b+c')

  const spread: string[] = []
  const asked = client.makeServerStreamRequest(METHODS.spread.path, same, same, Buffer.from('x+y'))
  for await (const part of asked) spread.push(String(part))
  expect(spread).toEqual(['x', 'y'])

  const chat = client.makeBidiStreamRequest(METHODS.chat.path, same, same)
  const said: string[] = []
  // Each answer comes before the next question is asked: nothing is held back on the way.
  for (const part of ['one', 'two', 'three']) {
    chat.write(Buffer.from(part))
    said.push(await new Promise((resolve) => chat.once('data', (bytes) => resolve(String(bytes)))))
  }
  const ended = new Promise((resolve) => chat.once('status', resolve))
  chat.end()
  expect(said).toEqual(['re: one', 're: two', 're: three'])
  expect(await ended).toMatchObject({ code: status.OK })
})

test('a call for which there is no route is UNIMPLEMENTED', async () => {
  const gateway = await startOneWorker(api('a', '/other/', { targets: [{ url: await deadUrl() }] }))
  closing.push(() => gateway.stop())
  const { error } = await unary(clientOf(gateway), 'hello')
  expect(error?.code).toBe(status.UNIMPLEMENTED)
  expect(error?.details).toContain('NOT_FOUND')
})

test('a target that cannot be reached is UNAVAILABLE', async () => {
  const { error } = await unary(clientOf(await gatewayTo(await deadUrl())), 'hello')
  expect(error?.code).toBe(status.UNAVAILABLE)
  expect(error?.details).toContain('UPSTREAM_UNREACHABLE')
})

test('a target of HTTP/1.1 is not asked: UNIMPLEMENTED', async () => {
  const target = await startTarget((_request, response) => response.end())
  closing.push(() => target.close())
  const { error } = await unary(clientOf(await gatewayTo(target.url, 'http1')), 'hello')
  expect(error?.code).toBe(status.UNIMPLEMENTED)
  expect(error?.details).toContain('UPSTREAM_PROTOCOL')
  expect(target.requests).toHaveLength(0)
})

const CALL = {
  ':method': 'POST',
  ':path': '/test.Echo/unary',
  'content-type': 'application/grpc+proto',
  te: 'trailers',
}

test.each(['before', 'behind'] as const)(
  'the deadline of a call ends it %s the head of the answer, at the target too',
  async (when) => {
    const target = await startHttp2Target((stream) => {
      if (when === 'before') return
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write('some')
    })
    closing.push(() => target.close())
    const session = await connectHttp2((await gatewayTo(target.url)).url)
    closing.push(() => session.destroy())
    const answer = await fetchHttp2(session, { ...CALL, 'grpc-timeout': '100m' }, 'x')
    const told = when === 'before' ? answer.headers : answer.trailers
    expect(answer).toMatchObject({ status: 200, code: 0, body: when === 'before' ? '' : 'some' })
    expect(told['grpc-status']).toBe(String(status.DEADLINE_EXCEEDED))
    expect(target.requests[0]?.['grpc-timeout']).toBe('100m')
    expect(target.ends).toHaveLength(1)
  },
)

test('a call that breaks off at the target ends with a status', async () => {
  const target = await startHttp2Target((stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write('some')
    setImmediate(() => stream.session?.destroy())
  })
  closing.push(() => target.close())
  const session = await connectHttp2((await gatewayTo(target.url)).url)
  closing.push(() => session.destroy())
  const answer = await fetchHttp2(session, CALL, 'x')
  expect(answer.trailers['grpc-status']).toBe(String(status.UNAVAILABLE))
})
