// Goal: nobody does anything without the right to it, whichever way the call comes.
// Method: the list of calls is the API's own, so that a call which the table here does not know fails.
// A row of a table that fails is named, and refusals are asserted by expectRefusal: the rules know neither.
/* oxlint-disable vitest/valid-expect, vitest/expect-expect */
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { encodeCaller, type Caller } from '../../../control-plane/access/caller.ts'
import { apiCalls } from '../../../control-plane/api/app.ts'
import type { ApiContext } from '../../../control-plane/api/context.ts'
import { KIND_NAMES, KINDS } from '../../../shared/definitions/kinds.ts'
import { ATTEMPTS_BURST } from '../../../shared/limits.ts'
import { SILENT, type Logger } from '../../../shared/logger.ts'
import { apiSpec, call, TestWatch, until, type Reply } from '../../conformance/api-client.ts'
import {
  addToken,
  ADMIN,
  callAs,
  FORWARDING_SECRET,
  makeToken,
  startSecured,
} from './secured-cluster.ts'
import { startCluster, type Running } from './start.ts'

let running: Running
const tokens = { admin: ADMIN.text, editor: '', viewer: '', gateway: '', node: '' }
type RoleName = keyof typeof tokens

const READERS: readonly RoleName[] = ['admin', 'editor', 'viewer']
const WRITERS: readonly RoleName[] = ['admin', 'editor']
const NOBODY_ELSE: readonly RoleName[] = ['admin']
const EVERYBODY = Object.keys(tokens) as readonly RoleName[] // The keys of a constant object.

/** Who may make which call. `open`: no token is looked at. */
const MAY: Readonly<Record<string, readonly RoleName[] | 'open'>> = {
  ...Object.fromEntries(
    KIND_NAMES.flatMap((kind) => {
      const { plural } = KINDS[kind]
      const writers = kind === 'Token' || kind === 'Revocation' ? NOBODY_ELSE : WRITERS
      return [
        [`GET /v1/${plural}`, READERS],
        [`GET /v1/${plural}/{name}`, READERS],
        [`PUT /v1/${plural}/{name}`, writers],
        [`DELETE /v1/${plural}/{name}`, writers],
      ]
    }),
  ),
  'GET /v1/consumers/{name}/keys': READERS,
  'POST /v1/consumers/{name}/keys': WRITERS,
  'DELETE /v1/consumers/{name}/keys/{key}': WRITERS,
  'POST /v1/consumers/{name}/keys/{key}/rotate': WRITERS,
  'POST /v1/consumers/{name}/passwords': WRITERS,
  'DELETE /v1/consumers/{name}/passwords/{username}': WRITERS,
  'POST /v1/consumers/{name}/hmac': WRITERS,
  'DELETE /v1/consumers/{name}/hmac/{keyId}': WRITERS,
  'POST /v1/transactions': WRITERS,
  'GET /v1/gateways': READERS,
  'POST /v1/gateways/{name}/report': ['admin', 'gateway'],
  'POST /v1/gateways/{name}/usage': ['admin', 'gateway'],
  'POST /v1/gateways/{name}/counters': ['admin', 'gateway'],
  'GET /v1/consumers/{name}/usage': READERS,
  'POST /v1/consumers/{name}/quotas/{quota}/reset': WRITERS,
  'POST /v1/consumers/{name}/quotas/{quota}/top-up': WRITERS,
  'GET /v1/watch': ['admin', 'editor', 'viewer', 'gateway'],
  'GET /v1/config': READERS,
  'PUT /v1/config': WRITERS,
  'GET /v1/history': READERS,
  'GET /v1/diff': READERS,
  'POST /v1/rollback': WRITERS,
  'GET /v1/snapshot': NOBODY_ELSE,
  'POST /v1/reseal': NOBODY_ELSE,
  'GET /v1/cluster': EVERYBODY,
  'POST /v1/cluster/members': NOBODY_ELSE,
  'DELETE /v1/cluster/members/{name}': NOBODY_ELSE,
  'POST /v1/cluster/members/{name}/promote': NOBODY_ELSE,
  'POST /v1/cluster/leader': NOBODY_ELSE,
  'GET /v1/authority': 'open',
  'POST /v1/enrolments': ['gateway'],
  'GET /v1/explain': READERS,
  'GET /healthz': 'open',
  'GET /readyz': 'open',
  'GET /metrics': READERS,
}

/** Building the list of calls touches nothing of what they work with. */
const CALLS = apiCalls({} as ApiContext).flatMap(({ path, methods }) =>
  Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
)

beforeAll(async () => {
  running = await startSecured(2)
  for (const role of ['editor', 'viewer', 'gateway', 'node'] as const) {
    tokens[role] = await addToken(running.url(0), `the-${role}`, { role })
  }
})

afterAll(() => running.close())

const agent = new Agent({ connections: 32 })

/** The status of a call whose answer may never end. */
async function statusOf(line: string, token: string | null, at = 0): Promise<number> {
  const [method = '', path = ''] = line.split(' ')
  const reply = await request(running.url(at) + path.replace('{name}', 'some-name'), {
    method: method as 'GET',
    dispatcher: agent,
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  })
  reply.body.on('error', () => {})
  reply.body.destroy()
  return reply.statusCode
}

function expectRefusal(reply: Reply, status: number, code: string): void {
  expect(reply.body, reply.text).toMatchObject({ status, code })
  expect(reply.status).toBe(status)
}

describe('every call', () => {
  test('is in the table of rights', () => {
    expect(CALLS.length).toBeGreaterThan(30)
    expect(CALLS.toSorted()).toEqual(Object.keys(MAY).toSorted())
  })

  test.each(CALLS)(
    '%s: nobody without a token, with a wrong one or a malformed one',
    async (line) => {
      const wrong = makeToken('the-editor', { role: 'editor' }).text
      for (const token of [null, wrong, makeToken('nobody', { role: 'admin' }).text, 'nonsense']) {
        // 500 is what a node without TLS says of its authority.
        const allowed = MAY[line] === 'open' ? [200, 500, 503] : [401, 429]
        expect(allowed).toContain(await statusOf(line, token))
      }
    },
  )

  test.each(CALLS)('%s: those whose role has the right, and no others', async (line) => {
    for (const at of [0, 1]) {
      for (const role of EVERYBODY) {
        const may = MAY[line]
        const isAllowed = may === 'open' || (may ?? []).includes(role)
        const status = await statusOf(line, tokens[role], at)
        const outcome = [401, 403, 429].includes(status) ? `refused ${status}` : 'let in'
        expect(outcome, `${role} at ${at}`).toBe(isAllowed ? 'let in' : 'refused 403')
      }
    }
  })

  test('HEAD needs what GET needs', async () => {
    expect((await call(running.url(0), 'HEAD /v1/config')).status).toBe(401)
    const reply = await callAs(tokens.gateway, running.url(0), 'HEAD /v1/config')
    expect(reply.status).toBe(403)
  })
})

describe('a refusal', () => {
  test('says how to come in, or which right is missing, and nothing else', async () => {
    const none = await call(running.url(0), 'GET /v1/apis')
    expectRefusal(none, 401, 'UNAUTHENTICATED')
    expect(none.headers['www-authenticate']).toBe('Bearer realm="raftway"')
    const viewer = await callAs(tokens.viewer, running.url(0), 'PUT /v1/apis/a', {
      json: { spec: apiSpec('a') },
    })
    expectRefusal(viewer, 403, 'FORBIDDEN')
    expect(viewer.body.detail).toContain('token:the-viewer')
    expect(viewer.body.missing).toEqual({ right: 'write', kind: 'Api' })
  })

  test('is the same for an unknown name and for a wrong secret', async () => {
    const unknown = makeToken('never-made', { role: 'admin' }).text
    const wrong = makeToken('the-editor', { role: 'admin' }).text
    const own = await startSecured(1)
    await addToken(own.url(0), 'the-editor', { role: 'editor' })
    const [a, b] = await Promise.all(
      [unknown, wrong].map((token) => callAs(token, own.url(0), 'GET /v1/apis')),
    )
    await own.close()
    expect(a?.status).toBe(401)
    expect(a?.body).toEqual(b?.body)
  })

  test('comes before the body is looked at', async () => {
    const reply = await call(running.url(0), 'POST /v1/transactions', { text: '{', headers: {} })
    expectRefusal(reply, 401, 'UNAUTHENTICATED')
  })

  test.each([
    ['basic', 'Basic YTpi'],
    ['empty', 'Bearer'],
    ['two', 'Bearer a, Bearer b'],
  ])('takes nothing but one bearer token: %s', async (_, authorization) => {
    const reply = await call(running.url(0), 'GET /v1/apis', { headers: { authorization } })
    expect([401, 429]).toContain(reply.status)
  })
})

describe('a token', () => {
  test('that has expired or is revoked is refused, with the reason', async () => {
    const base = running.url(0)
    const expired = await addToken(base, 'expired', {
      role: 'admin',
      expiresAt: '2020-01-01T00:00:00Z',
    })
    const reply = await callAs(expired, base, 'GET /v1/apis')
    expectRefusal(reply, 401, 'UNAUTHENTICATED')
    expect(reply.body.detail).toBe('The token has expired.')
    const revoked = await addToken(base, 'revoked', { role: 'admin' })
    for (const at of [0, 1]) {
      expect((await callAs(revoked, running.url(at), 'GET /v1/apis')).status).toBe(200)
    }
    const revocation = { spec: { token: 'revoked', reason: 'test' } }
    await callAs(ADMIN.text, running.url(1), 'PUT /v1/revocations/any-name', { json: revocation })
    for (const at of [0, 1]) {
      const after = await callAs(revoked, running.url(at), 'GET /v1/apis')
      expectRefusal(after, 401, 'UNAUTHENTICATED')
      expect(after.body.detail).toBe('The token was revoked.')
    }
  })

  test('that is deleted is unknown from then on', async () => {
    const token = await addToken(running.url(0), 'deleted', { role: 'viewer' })
    await callAs(ADMIN.text, running.url(0), 'DELETE /v1/tokens/deleted')
    expect([401, 429]).toContain((await callAs(token, running.url(0), 'GET /v1/apis')).status)
  })

  test('made on one node is good on another at once, also on one that lags', async () => {
    running.node(1).hold()
    const token = await addToken(running.url(0), 'fresh', { role: 'viewer' })
    const early = callAs(token, running.url(1), 'GET /v1/cluster')
    await until(() => running.node(1).readBarriers > 0)
    running.node(1).release()
    expect((await early).status).toBe(200)
  })

  test('of some kinds writes those, and no others by any way', async () => {
    const base = running.url(1)
    const token = await addToken(base, 'apis-only', { role: 'editor', kinds: ['Api'] })
    const put = (kind: string, name: string, spec: unknown): object => ({
      op: 'put',
      kind,
      name,
      spec,
    })
    const upstream = { targets: [{ url: 'http://127.0.0.1:9001' }] }
    const ok = { json: { operations: [put('Api', 'kinds-a', apiSpec('kinds-a'))] } }
    expect((await callAs(token, base, 'POST /v1/transactions', ok)).status).toBe(200)
    for (const [line, json] of [
      ['PUT /v1/upstreams/u', { spec: upstream }],
      ['DELETE /v1/upstreams/u', undefined],
      ['POST /v1/transactions', { operations: [put('Upstream', 'u', upstream)] }],
      [
        'POST /v1/transactions',
        { operations: [put('Api', 'kinds-b', apiSpec('kinds-b')), put('Upstream', 'u', upstream)] },
      ],
      ['POST /v1/transactions', { operations: [{ op: 'delete', kind: 'Upstream', name: 'u' }] }],
      ['PUT /v1/config', { definitions: [] }],
      ['POST /v1/rollback', { revision: 1 }],
    ] as const) {
      const reply = await callAs(token, base, line, json === undefined ? {} : { json })
      expectRefusal(reply, 403, 'FORBIDDEN')
    }
    expect((await callAs(ADMIN.text, base, 'GET /v1/apis/kinds-b')).status).toBe(404)
  })

  test('of an editor writes no access definition by any way', async () => {
    const planted = makeToken('planted', { role: 'admin' })
    const definition = { kind: 'Token', name: 'planted', spec: planted.spec }
    for (const at of [0, 1]) {
      for (const [line, json] of [
        ['PUT /v1/tokens/planted', { spec: planted.spec }],
        ['POST /v1/transactions', { operations: [{ op: 'put', ...definition }] }],
        ['POST /v1/transactions?dryRun=true', { operations: [{ op: 'put', ...definition }] }],
        [
          'POST /v1/transactions',
          { operations: [{ op: 'delete', kind: 'Token', name: 'the-viewer' }] },
        ],
        ['PUT /v1/config', { definitions: [definition] }],
      ] as const) {
        const reply = await callAs(tokens.editor, running.url(at), line, { json })
        expectRefusal(reply, 403, 'FORBIDDEN')
      }
    }
    expect([401, 429]).toContain(
      (await callAs(planted.text, running.url(0), 'GET /v1/apis')).status,
    )
  })

  test('of a viewer of some kinds sees those, and no others by any way', async () => {
    const base = running.url(0)
    const token = await addToken(base, 'sees-apis', { role: 'viewer', kinds: ['Api'] })
    await callAs(ADMIN.text, base, 'PUT /v1/apis/seen', { json: { spec: apiSpec('seen') } })
    expect((await callAs(token, base, 'GET /v1/apis/seen')).status).toBe(200)
    expectRefusal(await callAs(token, base, 'GET /v1/tokens'), 403, 'FORBIDDEN')
    expectRefusal(await callAs(token, base, 'GET /v1/watch'), 403, 'FORBIDDEN')
    expectRefusal(await callAs(token, base, 'GET /v1/history?kind=Token'), 403, 'FORBIDDEN')
    for (const line of ['GET /v1/config', 'GET /v1/diff?from=0', 'GET /v1/history?limit=1000']) {
      const reply = await callAs(token, base, line)
      expect(reply.status, line).toBe(200)
      expect(reply.text).toContain('seen')
      expect(reply.text, line).not.toMatch(/"kind":"(Token|Revocation)"/)
    }
  })
})

describe('an open stream', () => {
  test.each(['revoked', 'deleted', 'rewritten', 'expired'])(
    'ends with the reason once its token is %s',
    async (what) => {
      const name = `stream-${what}`
      const base = running.url(1)
      const expiresAt = new Date(Date.now() + 3_000).toISOString()
      const token = await addToken(base, name, {
        role: 'gateway',
        ...(what === 'expired' ? { expiresAt } : {}),
      })
      const watch = await TestWatch.open(base, '', { authorization: `Bearer ${token}` })
      await watch.nextOf('snapshot-end')
      const admin = (line: string, json?: unknown): Promise<Reply> =>
        callAs(ADMIN.text, running.url(0), line, json === undefined ? {} : { json })
      if (what === 'revoked') await admin(`PUT /v1/revocations/${name}`, { spec: { token: name } })
      if (what === 'deleted') await admin(`DELETE /v1/tokens/${name}`)
      if (what === 'rewritten')
        await admin(`PUT /v1/tokens/${name}`, { spec: makeToken(name, { role: 'gateway' }).spec })
      const closed = await watch.nextOf('closed', 10_000)
      expect(closed.code).toBe('UNAUTHENTICATED')
      expect(closed.reason).toContain(name)
      await watch.ended()
    },
  )

  test('of a backup is cut off once its token is revoked', async () => {
    const [base, name] = [running.url(1), 'backs-up']
    const token = await addToken(base, name, { role: 'admin' })
    const piece = Buffer.alloc(64 * 1024)
    let isClosed = false
    const backup = {
      clusterId: 'a'.repeat(32),
      revision: 1,
      async *pieces() {
        for (;;) yield await Promise.resolve(piece)
      },
      close() {
        isClosed = true
        return Promise.resolve()
      },
    }
    const node = running.node(1)
    const openBackup = node.openBackup.bind(node)
    onTestFinished(() => {
      node.openBackup = openBackup
    })
    node.openBackup = () => Promise.resolve(backup)
    const { body } = await request(`${base}/v1/snapshot`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const pieces = body[Symbol.asyncIterator]()
    expect((await pieces.next()).done).toBe(false)
    await callAs(ADMIN.text, running.url(0), `PUT /v1/revocations/${name}`, {
      json: { spec: { token: name } },
    })
    await expect(
      (async () => {
        while ((await pieces.next()).done !== true);
      })(),
    ).rejects.toThrow(/terminated|closed|aborted/)
    await until(() => isClosed)
  })

  test('goes on when another token is revoked', async () => {
    const base = running.url(0)
    const token = await addToken(base, 'stays', { role: 'viewer' })
    const watch = await TestWatch.open(base, '', { authorization: `Bearer ${token}` })
    await watch.nextOf('snapshot-end')
    const revocation = { spec: { token: 'somebody-else' } }
    const reply = await callAs(ADMIN.text, base, 'PUT /v1/revocations/other', { json: revocation })
    expect((await watch.nextOf('change')).revision).toBe(reply.body.revision)
    expect(watch.isOver).toBe(false)
    watch.close()
  })
})

describe('what nodes say to each other', () => {
  const forged: Caller = {
    via: 'token',
    name: 'root',
    role: 'admin',
    kinds: null,
    address: '10.9.9.9',
  }

  test('gains a client nothing that says it too', async () => {
    const target = '/v1/apis/forged'
    const head = { method: 'PUT', target, key: 'k' }
    const json = { spec: apiSpec('forged') }
    for (const header of [
      encodeCaller(forged, head, null),
      encodeCaller(forged, head, 'a guess'),
      // Taken from another call: what vouches for that one does not for this.
      encodeCaller(forged, { ...head, target: '/v1/apis/other' }, FORWARDING_SECRET),
      encodeCaller(forged, { ...head, key: 'l' }, FORWARDING_SECRET),
    ]) {
      for (const token of [null, tokens.viewer]) {
        for (const at of [0, 1]) {
          const headers = {
            'raftway-caller': header,
            'raftway-forwarded': 'n2',
            'idempotency-key': 'k',
            ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          }
          const reply = await call(running.url(at), `PUT ${target}`, { json, headers })
          expect([401, 429], reply.text).toContain(reply.status)
        }
      }
    }
    expect((await callAs(ADMIN.text, running.url(0), `GET ${target}`)).status).toBe(404)
  })

  test('a forged mark of forwarding alone changes nothing about who may', async () => {
    const headers = { 'raftway-forwarded': 'n2' }
    const json = { spec: apiSpec('forged') }
    const reply = await call(running.url(0), 'PUT /v1/apis/forged', { json, headers })
    expect([401, 429]).toContain(reply.status)
    const viewer = await callAs(tokens.viewer, running.url(0), 'PUT /v1/apis/forged', {
      json,
      headers,
    })
    expectRefusal(viewer, 403, 'FORBIDDEN')
  })

  test('carries the caller to the leader: history names him, his role and his address', async () => {
    const json = { spec: apiSpec('by-editor') }
    await callAs(tokens.editor, running.url(1), 'PUT /v1/apis/by-editor', { json })
    await callAs(tokens.editor, running.url(1), 'PUT /v1/apis/by-editor', {
      json,
      headers: { 'raftway-author': 'alice' },
    })
    const { body } = await callAs(
      tokens.viewer,
      running.url(0),
      'GET /v1/history?kind=Api&name=by-editor',
    )
    const origin = { caller: 'token:the-editor', role: 'editor', address: '127.0.0.1' }
    expect(body.items).toMatchObject([
      { author: 'alice via token:the-editor', origin },
      { author: 'token:the-editor', origin },
    ])
  })

  test('a leader that cannot tell yet who vouches is asked again, and nobody is let in meanwhile', async () => {
    const early = await startCluster(1, {
      access: { isOpen: false, isLoopback: true, hasOpenMetrics: false, peerOf: () => null },
    })
    const head = { method: 'PUT', target: '/v1/apis/a', key: 'k' }
    const headers = {
      'raftway-caller': encodeCaller(forged, head, FORWARDING_SECRET),
      'idempotency-key': 'k',
    }
    const reply = await call(early.url(0), 'PUT /v1/apis/a', { json: {}, headers })
    expectRefusal(reply, 503, 'NOT_LEADER')
    await early.close()
  })
})

describe('replacing the whole config', () => {
  test('leaves tokens and revocations alone unless they are named', async () => {
    const base = running.url(0)
    const token = await addToken(base, 'survivor', { role: 'viewer' })
    await callAs(ADMIN.text, base, 'PUT /v1/revocations/survives', {
      json: { spec: { token: 'gone-for-good' } },
    })
    const { body: before } = await callAs(ADMIN.text, base, 'GET /v1/config')
    const reply = await callAs(tokens.editor, base, 'PUT /v1/config', { json: { definitions: [] } })
    expect(reply.status, reply.text).toBe(200)
    const { body } = await callAs(token, base, 'GET /v1/config')
    const kinds = new Set(body.definitions.map(({ kind }: { kind: string }) => kind))
    expect(kinds).toEqual(new Set(['Token', 'Revocation']))
    // Back to before the revocation: it holds all the same.
    const { body: history } = await callAs(
      token,
      base,
      'GET /v1/history?kind=Revocation&name=survives',
    )
    const revision = history.items[0].revision - 1
    const back = await callAs(ADMIN.text, base, 'POST /v1/rollback', { json: { revision } })
    expect(back.status, back.text).toBe(200)
    expect((await callAs(token, base, 'GET /v1/revocations/survives')).status).toBe(200)
    expect(before.definitions.length).toBeGreaterThan(body.definitions.length)
  })
})

describe('failed attempts', () => {
  test('from one address are held back, while good tokens pass', async () => {
    const own = await startSecured(1)
    try {
      const wrong = makeToken('nobody', { role: 'admin' }).text
      const statuses: number[] = []
      for (let i = 0; i < ATTEMPTS_BURST + 5; i++) {
        statuses.push((await callAs(wrong, own.url(0), 'GET /v1/apis')).status)
      }
      expect(statuses.slice(0, ATTEMPTS_BURST)).toEqual(
        Array.from({ length: ATTEMPTS_BURST }, () => 401),
      )
      const last = await callAs(wrong, own.url(0), 'GET /v1/apis')
      expectRefusal(last, 429, 'TOO_MANY_ATTEMPTS')
      expect(Number(last.headers['retry-after'])).toBeGreaterThan(0)
      expect((await callAs(ADMIN.text, own.url(0), 'GET /v1/apis')).status).toBe(200)
      // Held back, an attempt asks nothing of the cluster.
      const before = own.node(0).readBarriers
      await callAs(wrong, own.url(0), 'GET /v1/apis')
      expect(own.node(0).readBarriers).toBe(before)
    } finally {
      await own.close()
    }
  })
})

describe('an open API', () => {
  let open: Running
  beforeAll(async () => {
    open = await startCluster(1)
  })
  afterAll(() => open.close())

  test('takes whoever comes as local, and checks a token that is given all the same', async () => {
    const json = { spec: apiSpec('local') }
    expect((await call(open.url(0), 'PUT /v1/apis/local', { json })).status).toBe(201)
    const { body } = await call(open.url(0), 'GET /v1/history')
    expect(body.items[0].author).toBe('anonymous')
    const wrong = makeToken('nobody', { role: 'admin' }).text
    expectRefusal(await callAs(wrong, open.url(0), 'GET /v1/apis'), 401, 'UNAUTHENTICATED')
    const made = makeToken('reader', { role: 'viewer' })
    await call(open.url(0), 'PUT /v1/tokens/reader', { json: { spec: made.spec } })
    const refused = await callAs(made.text, open.url(0), 'PUT /v1/apis/local', { json })
    expectRefusal(refused, 403, 'FORBIDDEN')
  })

  test('is not open to pages of others in a browser on this machine', async () => {
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { host: 'rebound.example.com' },
      { host: 'rebound.example.com:7400' },
    ]) {
      const reply = await call(open.url(0), 'POST /v1/cluster/leader', { headers })
      expectRefusal(reply, 401, 'UNAUTHENTICATED')
    }
    for (const headers of [
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'same-origin' },
      { host: 'localhost:7400' },
      { host: '[::1]:7400' },
      { host: 'console.localhost' },
    ]) {
      expect((await call(open.url(0), 'GET /v1/apis', { headers })).status).toBe(200)
    }
  })
})

describe('the audit log', () => {
  test('has every call that changes something and every one that is refused, and no secret', async () => {
    const lines: Record<string, unknown>[] = []
    const note = (fields: object): void => {
      if ('audit' in fields) lines.push({ ...fields })
    }
    const logger: Logger = { ...SILENT, info: note, warn: note }
    const own = await startSecured(2, { logger })
    try {
      const token = await addToken(own.url(0), 'ci', { role: 'editor' })
      const json = { spec: apiSpec('audited') }
      await callAs(token, own.url(1), 'PUT /v1/apis/audited?dryRun=false', { json })
      const operations = [
        { op: 'put', kind: 'Api', name: 'b', spec: apiSpec('b') },
        { op: 'delete', kind: 'Api', name: 'audited' },
      ]
      await callAs(token, own.url(1), 'POST /v1/transactions', { json: { operations } })
      await callAs(token, own.url(0), 'GET /v1/apis')
      await callAs(token, own.url(1), 'PUT /v1/tokens/x', { json: {} })
      await call(own.url(0), 'GET /v1/config?secret=in-a-query')
      const who = { audit: true, address: '127.0.0.1' }
      await until(() => lines.length >= 5)
      expect(lines).toMatchObject([
        { ...who, action: 'PUT /v1/tokens/{name}', caller: 'token:bootstrap', status: 201 },
        {
          ...who,
          action: 'PUT /v1/apis/{name}',
          path: '/v1/apis/audited',
          caller: 'token:ci',
          role: 'editor',
          status: 201,
          definitions: ['Api/audited'],
        },
        {
          ...who,
          action: 'POST /v1/transactions',
          caller: 'token:ci',
          status: 200,
          definitions: ['Api/b', 'Api/audited'],
        },
        { ...who, action: 'PUT /v1/tokens/{name}', caller: 'token:ci', code: 'FORBIDDEN' },
        { ...who, action: 'GET /v1/config', caller: null, code: 'UNAUTHENTICATED' },
      ])
      expect(lines).toHaveLength(5)
      expect(lines[1]?.['revision']).toBeGreaterThan(1)
      const text = JSON.stringify(lines)
      for (const secret of [token, ADMIN.text]) {
        expect(text).not.toContain(secret.split('.')[1])
      }
      expect(text).not.toContain('in-a-query')
    } finally {
      await own.close()
    }
  })
})
