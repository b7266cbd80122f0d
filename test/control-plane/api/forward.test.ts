// A failure shows what was answered.
/* oxlint-disable vitest/valid-expect */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RaftwayError, type ErrorCode } from '../../../shared/errors.ts'
import { apiSpec, call, until, type Reply } from '../../conformance/api-client.ts'
import { startCluster, type Running } from './start.ts'

// Three nodes whose leader the test chooses. What happens between a follower and a leader that fails is provoked at
// the leader: before it has written, after it has, or on the wire.

let running: Running
const servers: Server[] = []

beforeEach(async () => {
  running = await startCluster(3, { electionMs: 100, bounds: { catchUpMs: 200 } })
})

afterEach(async () => {
  await running.close()
  for (const server of servers.splice(0)) server.close()
})

function put(at: number, name: string, headers = {}): Promise<Reply> {
  return call(running.url(at), `PUT /v1/apis/${name}`, { json: { spec: apiSpec(name) }, headers })
}

/** A machine that takes connections, in place of node 0's API. */
async function replaceLeader(onConnection: (socket: Socket) => void): Promise<void> {
  const server = createServer(onConnection)
  servers.push(server)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  running.node(0).self.api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a call that was forwarded once is never forwarded again', async () => {
  const reply = await put(1, 'a', { 'raftway-forwarded': 'n3' })
  expect(reply.status).toBe(503)
  expect(reply.body).toMatchObject({ code: 'NOT_LEADER', leader: 'n1' })
  expect(reply.headers['retry-after']).toBe('1')
  expect(running.node(0).writes).toBe(0)
})

test('without a leader a call is refused after the patience, and can be tried again', async () => {
  running.cluster.lead(null)
  for (const line of ['PUT /v1/apis/a', 'GET /v1/apis/a', 'POST /v1/cluster/leader']) {
    const start = performance.now()
    const json = line.startsWith('PUT') ? { spec: apiSpec('a') } : undefined
    const reply = await call(running.url(1), line, json === undefined ? {} : { json })
    const tookMs = performance.now() - start
    expect(reply.body).toMatchObject({ status: 503, code: 'NO_LEADER' })
    expect(reply.headers['retry-after']).toBe('1')
    expect(tookMs).toBeGreaterThan(900)
    expect(tookMs).toBeLessThan(3_000)
  }
  const stale = await call(running.url(1), 'GET /v1/apis?consistency=stale')
  expect(stale.status).toBe(200)
  const ready = await call(running.url(1), 'GET /readyz')
  expect([ready.status, ready.body.reason]).toEqual([503, 'no leader is known'])
})

test('a call waits for a leader that is found in time', async () => {
  running.cluster.lead(null)
  const pending = put(1, 'a')
  await until(() => running.cluster.waiting > 0)
  running.cluster.lead(running.node(2))
  expect((await pending).status).toBe(201)
  expect(running.node(2).writes).toBe(1)
})

test('a write that the leader lost after it was carried out happens once, guard or not', async () => {
  for (const [at, name] of [
    [1, 'through-follower'],
    [0, 'through-leader'],
  ] as const) {
    running.cluster.lead(running.node(0))
    running.node(0).afterWrite = () => {
      running.cluster.lead(running.node(2))
      throw new RaftwayError('WRITE_UNCERTAIN', 'leadership was lost')
    }
    const reply = await put(at, name, { 'if-none-match': '*' })
    expect(reply.status, reply.text).toBe(201)
    const history = await call(running.url(1), `GET /v1/history?kind=Api&name=${name}`)
    expect(history.body.items).toHaveLength(1)
    expect(reply.body.revision).toBe(history.body.items[0].revision)
  }
})

test('a write that the leader refused because it had just lost the lead goes to the next one', async () => {
  running.node(0).beforeWrite = () => {
    running.cluster.lead(running.node(1))
  }
  expect((await put(2, 'a')).status).toBe(201)
  expect([running.node(0).writes, running.node(1).writes]).toEqual([0, 1])
})

test('a write whose connection broke is repeated with the same key', async () => {
  const keys: string[] = []
  await replaceLeader((socket) => {
    socket.on('data', (data) => {
      keys.push(/idempotency-key: (\S+)/i.exec(data.toString())?.[1] ?? '')
      if (keys.length === 2) running.cluster.lead(running.node(2))
      socket.destroy()
    })
    socket.on('error', () => {})
  })
  running.node(2).beforeWrite = ({ key }) => {
    keys.push(key ?? '')
  }
  expect((await put(1, 'a')).status).toBe(201)
  expect(keys).toHaveLength(3)
  expect(new Set(keys).size).toBe(1)
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
})

test('a write that may have happened before every leader was lost says so', async () => {
  await replaceLeader((socket) => {
    socket.on('data', () => {
      running.cluster.lead(null)
      socket.destroy()
    })
    socket.on('error', () => {})
  })
  const reply = await put(1, 'a')
  expect(reply.body).toMatchObject({ status: 503, code: 'WRITE_UNCERTAIN' })
  expect(reply.headers['retry-after']).toBe('1')
})

test('what may have happened is not called off by a node that refuses the repeat', async () => {
  // The last two judge what stands now, and the first attempt may still be on its way.
  const codes = ['STOPPING', 'OVERLOADED', 'TIMEOUT', 'REVISION_CONFLICT', 'DEFINITION_NOT_FOUND']
  for (const code of codes as ErrorCode[]) {
    running.cluster.lead(running.node(0))
    running.node(0).afterWrite = () => {
      running.cluster.lead(running.node(1))
      throw new RaftwayError('WRITE_UNCERTAIN', 'leadership was lost')
    }
    running.node(1).beforeWrite = () => {
      throw new RaftwayError(code, 'not now')
    }
    // Through the second leader itself, and through a node that forwards to it.
    for (const at of [1, 2]) {
      running.cluster.lead(running.node(0))
      const reply = await put(at, `a-${code.toLowerCase().replaceAll('_', '-')}-${at}`)
      expect([code, at, reply.body.code]).toEqual([code, at, 'WRITE_UNCERTAIN'])
    }
  }
})

test('that nothing stands for a guard is said only after a read point', async () => {
  const reply = await put(0, 'a', { 'if-match': '*' })
  expect(reply.body).toMatchObject({ code: 'REVISION_CONFLICT', currentRevision: 0 })
  expect(running.node(0).readBarriers).toBe(1)
})

test('a leader that was cut off with its connections open does not keep its callers', async () => {
  let isAsked = false
  await replaceLeader((socket) => {
    socket.on('data', () => {
      isAsked = true
    })
    socket.on('error', () => {})
  })
  const pending = put(1, 'a')
  await until(() => isAsked)
  const start = performance.now()
  running.cluster.lead(running.node(2))
  expect((await pending).status).toBe(201)
  expect(performance.now() - start).toBeLessThan(1_000)
})

test('the answer of a leader that handed over on request is waited for', async () => {
  running.node(0).afterTransfer = () =>
    new Promise((resolve) => {
      setTimeout(resolve, 200)
    })
  const moved = await call(running.url(1), 'POST /v1/cluster/leader', { json: { name: 'n3' } })
  expect([moved.status, moved.body]).toEqual([200, { leader: 'n3' }])
})

test('a membership call is repeated only while it was certainly not carried out', async () => {
  const { api } = running.node(0).self
  running.node(0).self.api = 'http://127.0.0.1:1'
  const json = { peer: '127.0.0.1:9999' }
  const refused = call(running.url(1), 'POST /v1/cluster/members', { json })
  await until(async () => {
    const { text } = await call(running.url(1), 'GET /metrics')
    return /raftway_api_forwarded_total\{outcome="broken"\} [1-9]/.test(text)
  })
  running.node(0).self.api = api
  const added = await refused
  expect([added.status, added.body.member.peer]).toEqual([201, '127.0.0.1:9999'])
  const promoted = await call(running.url(2), 'POST /v1/cluster/members/n4/promote')
  expect([promoted.status, promoted.body]).toEqual([200, { name: 'n4' }])
  const again = await call(running.url(1), 'POST /v1/cluster/members', { json })
  expect(again.body).toMatchObject({ status: 409, code: 'MEMBER_EXISTS' })
  const removed = await call(running.url(1), 'DELETE /v1/cluster/members/n4')
  expect([removed.status, removed.body]).toEqual([200, { name: 'n4' }])

  let asked = 0
  await replaceLeader((socket) => {
    socket.on('data', () => {
      asked++
      socket.destroy()
    })
    socket.on('error', () => {})
  })
  const lost = await call(running.url(1), 'POST /v1/cluster/members', { json })
  expect(lost.body).toMatchObject({ status: 503, code: 'WRITE_UNCERTAIN' })
  expect(asked).toBe(1)
})

test('a node that lags behind its own acknowledgement says so instead', async () => {
  running.node(1).hold()
  const reply = await put(1, 'a')
  expect(reply.body).toMatchObject({ status: 504, code: 'TIMEOUT', revision: 1 })
  const read = await call(running.url(1), 'GET /v1/apis/a')
  expect(read.body).toMatchObject({ status: 504, code: 'TIMEOUT' })
  const stale = await call(running.url(1), 'GET /v1/apis/a?consistency=stale')
  expect([stale.status, stale.headers['raftway-revision']]).toEqual([404, '0'])
  running.node(1).release()
  expect((await call(running.url(1), 'GET /v1/apis/a')).status).toBe(200)
})

test('a write that stands is not denied by the node that stops before it has applied it', async () => {
  running.node(1).hold()
  running.node(1).waitForRevision = () =>
    Promise.reject(new RaftwayError('STOPPING', 'this node is stopping'))
  const reply = await put(1, 'a')
  expect(reply.body).toMatchObject({ status: 504, code: 'TIMEOUT', revision: 1 })
})

test('a stale read asks nobody', async () => {
  await call(running.url(1), 'GET /v1/config?consistency=stale')
  expect(running.node(1).readBarriers).toBe(0)
  await call(running.url(1), 'GET /v1/config')
  expect(running.node(1).readBarriers).toBe(1)
})
