import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { anyAnswer, configAnswer } from '../../cli/answers.ts'
import { ControlClient, type Call } from '../../cli/client.ts'
import { ApiProblem, CommandFailure } from '../../cli/failures.ts'

// The client against servers that behave as nodes do at bad moments. What nodes really do is in commands.test.ts.

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

type Seen = {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

async function serve(
  answer: (seen: Seen, response: ServerResponse, count: number) => void,
): Promise<{ readonly url: string; readonly seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    seen.push({ method, url, headers })
    request.resume().on('end', () => answer({ method, url, headers }, response, seen.length))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

function client(...urls: readonly string[]): {
  readonly client: ControlClient
  readonly said: string[]
} {
  const said: string[] = []
  const made = new ControlClient({
    urls,
    token: null,
    say: (message) => void said.push(message),
  })
  closers.push(() => made.close())
  return { client: made, said }
}

/** A port that nobody listens on. */
async function deadUrl(): Promise<string> {
  const { url } = await serve(() => {})
  await closers.pop()?.()
  return url
}

function problem(response: ServerResponse, status: number, code: string, more: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(
    JSON.stringify({ code, status, title: 'T', detail: `${code} happened`, issues: [], ...more }),
  )
}

const READ: Call = { method: 'GET', path: '/v1/cluster' }
const WRITE: Call = { method: 'POST', path: '/v1/transactions', body: { operations: [] } }

describe('nodes in turn', () => {
  test('a node that is not there is passed over, and said so', async () => {
    const dead = await deadUrl()
    const alive = await serve((_, response) => response.end('{"ok":true}'))
    const { client: tried, said } = client(dead, alive.url)
    expect(await tried.call(READ, anyAnswer)).toEqual({ ok: true })
    expect(said).toEqual([`${dead}: UNREACHABLE; trying ${alive.url}`])
  })

  test('the one that answered is asked first from then on', async () => {
    const dead = await deadUrl()
    const alive = await serve((_, response) => response.end('{}'))
    const { client: tried, said } = client(dead, alive.url)
    await tried.call(READ, anyAnswer)
    await tried.call(READ, anyAnswer)
    expect(said).toHaveLength(1)
    expect(tried.url).toBe(alive.url)
  })

  test('nobody there ends at once, without waiting for a miracle', async () => {
    const { client: tried } = client(await deadUrl(), await deadUrl())
    const started = performance.now()
    await expect(tried.call(READ, anyAnswer)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      status: 0,
    })
    expect(performance.now() - started).toBeLessThan(400)
  })

  test('without a leader the same write goes on under one key until there is one', async () => {
    const node = await serve((_, response, count) => {
      if (count < 3) problem(response, 503, count === 1 ? 'NO_LEADER' : 'WRITE_UNCERTAIN')
      else response.end('{"revision":7}')
    })
    const { client: tried } = client(node.url)
    expect(await tried.call(WRITE, anyAnswer)).toEqual({ revision: 7 })
    const keys = node.seen.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toHaveLength(3)
    expect(new Set(keys).size).toBe(1)
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('two writes have two keys, and say who writes', async () => {
    const node = await serve((_, response) => response.end('{}'))
    const { client: tried } = client(node.url)
    await tried.call(WRITE, anyAnswer)
    await tried.call(WRITE, anyAnswer)
    const [first, second] = node.seen
    expect(first?.headers['idempotency-key']).not.toBe(second?.headers['idempotency-key'])
    expect(first?.headers['raftway-author']).toMatch(/^.+@.+$/)
  })

  test('a connection that breaks in the answer is repeated on the next node, under the same key', async () => {
    const breaking = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"half":', () => response.destroy())
    })
    const whole = await serve((_, response) => response.end('{"revision":8}'))
    const { client: tried } = client(breaking.url, whole.url)
    expect(await tried.call(WRITE, anyAnswer)).toEqual({ revision: 8 })
    expect(whole.seen[0]?.headers['idempotency-key']).toBe(
      breaking.seen[0]?.headers['idempotency-key'],
    )
  })

  test('no leader anywhere is the reason in the end, not the node that is down', async () => {
    const node = await serve((_, response) => problem(response, 503, 'NO_LEADER'))
    const { client: tried } = client(node.url, await deadUrl())
    await expect(tried.call(WRITE, anyAnswer)).rejects.toMatchObject({
      code: 'NO_LEADER',
      status: 503,
    })
    expect(node.seen).toHaveLength(3)
  })
})

describe('refusals', () => {
  test('are final, and come with every issue', async () => {
    const issues = [{ path: 'operations.0.spec', message: 'is required' }]
    const node = await serve((_, response) =>
      problem(response, 422, 'INVALID_DEFINITION', { issues, extra: 1 }),
    )
    const other = await serve((_, response) => response.end('{}'))
    const { client: tried } = client(node.url, other.url)
    const error = await tried.call(WRITE, anyAnswer).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ApiProblem)
    expect(error).toMatchObject({
      code: 'INVALID_DEFINITION',
      status: 422,
      message: 'INVALID_DEFINITION happened',
      issues,
      document: { extra: 1 },
    })
    expect(other.seen).toHaveLength(0)
  })

  test('of something on the way, which is no node, go by their status', async () => {
    const node = await serve((_, response) => {
      response.writeHead(403, { 'content-type': 'text/html' })
      response.end('<h1>no</h1>')
    })
    const { client: tried } = client(node.url)
    await expect(tried.call(READ, anyAnswer)).rejects.toMatchObject({
      code: 'HTTP_403',
      status: 403,
    })
  })

  test('an answer of another shape is not taken for one', async () => {
    const node = await serve((_, response, count) =>
      response.end(count === 1 ? '{"revision":"x"}' : 'hello'),
    )
    const { client: tried } = client(node.url)
    const call: Call = { method: 'GET', path: '/v1/config' }
    await expect(tried.call(call, configAnswer)).rejects.toMatchObject({ code: 'BAD_ANSWER' })
    await expect(tried.call(call, configAnswer)).rejects.toThrow(/not JSON: hello/)
  })
})

test('queries are encoded, lists repeat, and what is not given is left out', async () => {
  const node = await serve((_, response) => response.end('{}'))
  const { client: tried } = client(node.url)
  const query = { url: 'http://a/b?c=d&e', header: ['x: 1', 'y: 2'], limit: 5, name: undefined }
  await tried.call({ method: 'GET', path: '/v1/explain', query }, anyAnswer)
  expect(node.seen[0]?.url).toBe(
    '/v1/explain?url=http%3A%2F%2Fa%2Fb%3Fc%3Dd%26e&header=x%3A+1&header=y%3A+2&limit=5',
  )
})

test('a watch in a format of a later version is refused, and says what to do', async () => {
  const { url } = await serve((_, response) => {
    response.writeHead(200, { 'Raftway-Watch-Format': '2' })
    response.end('{"kind":"of a new shape"}\n')
  })
  const { client: made } = client(url)
  const opened = made.openWatch(null, new AbortController().signal)
  await expect(opened).rejects.toBeInstanceOf(CommandFailure)
  await expect(opened).rejects.toThrow(
    /watch in format 2, and this program reads format 1: upgrade/,
  )
})
