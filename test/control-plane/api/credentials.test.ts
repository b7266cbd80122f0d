// Goal: credentials are made on the node that leads, told once, stored as hashes or sealed, and gone when they are taken.
// A reply that is not as expected is printed whole.
/* oxlint-disable vitest/valid-expect */
// Method: two real APIs of a cluster without consensus; every call goes to the node that does not lead.
import { argon2Sync, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ConsumerSpec } from '../../../shared/definitions/consumer.ts'
import { hashApiKey } from '../../../shared/definitions/api-key.ts'
import { openSecret, readSealKeys } from '../../../shared/definitions/seal.ts'
import { isSealed } from '../../../shared/definitions/secret-values.ts'
import { CREDENTIALS_PER_CONSUMER_MAX } from '../../../shared/limits.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import { call, type CallOptions, type Reply } from '../../conformance/api-client.ts'
import { startCluster, type Running } from './start.ts'

const read = readSealKeys(randomBytes(32).toString('hex'))
const sealKeys = read.ok ? read.keys : []

let running: Running
let nowMs: number
let logged: string[]
beforeEach(async () => {
  nowMs = Date.parse('2030-01-01T00:00:00.000Z')
  logged = []
  const log = (...words: readonly unknown[]): void => void logged.push(JSON.stringify(words))
  running = await startCluster(2, {
    sealKeys,
    clock: { ...SYSTEM_CLOCK, now: () => nowMs },
    logger: { debug: log, info: log, warn: log, error: log },
  })
  await ask('PUT /v1/consumers/alice', {
    json: { labels: { team: 'a' }, spec: { plans: ['gold'] } },
  })
})
afterEach(() => running.close())

function ask(line: string, options: CallOptions = {}): Promise<Reply> {
  return call(running.url(1), line, options)
}

function post(
  path: string,
  json: object = {},
  headers: Record<string, string> = {},
): Promise<Reply> {
  return ask(`POST /v1/consumers/${path}`, { json, headers })
}

function specOf(name = 'alice'): ConsumerSpec {
  const definition = running.node(0).state.get('Consumer', name)
  if (definition?.kind !== 'Consumer') throw new Error(`no Consumer ${name}`)
  return definition.spec
}

function keyNames(): (readonly [string, string | null])[] {
  return (specOf().credentials?.keys ?? []).map((key) => [key.name, key.expiresAt ?? null])
}

/** Everything that is kept or shown of what was written. */
async function everywhere(): Promise<string> {
  const history = await ask('GET /v1/history')
  const shown = await ask('GET /v1/config')
  return JSON.stringify(running.cluster.log) + history.text + shown.text + logged.join('\n')
}

function expectRefusal(reply: Reply, status: number, code: string): void {
  expect(reply.body, reply.text).toMatchObject({ status, code })
}

describe('a key', () => {
  test('is told once, and stored as its hash beside what people know it by', async () => {
    const made = await post('alice/keys', { name: 'ci', ttlSeconds: 3_600 })
    expect(made.status, made.text).toBe(201)
    const { secret } = made.body
    expect(secret).toMatch(/^rwk_[A-Za-z0-9_-]{43}$/)
    const key = {
      name: 'ci',
      hash: hashApiKey(secret),
      prefix: secret.slice(0, 8),
      lastFour: secret.slice(-4),
      createdAt: '2030-01-01T00:00:00.000Z',
      expiresAt: '2030-01-01T01:00:00.000Z',
    }
    expect(made.body).toEqual({ kind: 'Consumer', name: 'alice', revision: 2, key, secret })
    expect(made.headers['cache-control']).toBe('no-store')
    expect(specOf()).toEqual({ plans: ['gold'], credentials: { keys: [key] } })
    expect((await ask('GET /v1/consumers/alice/keys')).body).toEqual({ items: [key] })
    expect(running.node(1).state.get('Consumer', 'alice')?.labels).toEqual({ team: 'a' })
    expect(await everywhere()).not.toContain(secret)
    expect(logged.join('\n')).toContain('Consumer/alice')
  })

  test('has a name of its own: given, or the first that is free', async () => {
    await post('alice/keys')
    await post('alice/keys')
    await post('alice/keys', { name: 'key-3' })
    await post('alice/keys')
    expect(keyNames().map(([name]) => name)).toEqual(['key-1', 'key-2', 'key-3', 'key-4'])
    expectRefusal(await post('alice/keys', { name: 'key-2' }), 409, 'CREDENTIAL_EXISTS')
  })

  test.for([
    [{ name: 'No' }, 'name'],
    [{ expiresAt: '2029-12-31T23:59:59Z' }, 'expiresAt'],
    [{ expiresAt: 'tomorrow' }, 'expiresAt'],
    [{ expiresAt: '2031-01-01T00:00:00Z', ttlSeconds: 5 }, 'ttlSeconds'],
    [{ ttlSeconds: 0 }, 'ttlSeconds'],
    [{ key: 'mine' }, 'key'],
  ] as const)('is refused for %j', async ([json, path]) => {
    const reply = await post('alice/keys', json)
    expectRefusal(reply, 400, 'INVALID_REQUEST')
    expect(reply.body.issues[0].path).toBe(path)
    expect(specOf()).toEqual({ plans: ['gold'] })
  })

  test('of nobody is not made', async () => {
    const unknown = await post('bob/keys')
    expect(unknown.status).toBe(404)
    expectRefusal(unknown, 404, 'DEFINITION_NOT_FOUND')
    expectRefusal(await ask('GET /v1/consumers/bob/keys'), 404, 'DEFINITION_NOT_FOUND')
    expectRefusal(await post('alice/keys/ci/rotate'), 404, 'CREDENTIAL_NOT_FOUND')
    expectRefusal(await ask('DELETE /v1/consumers/alice/keys/ci'), 404, 'CREDENTIAL_NOT_FOUND')
  })

  test('is never told by a repeat, which is refused, and nothing is made twice', async () => {
    const headers = { 'idempotency-key': 'once' }
    expect((await post('alice/keys', {}, headers)).status).toBe(201)
    const repeat = await post('alice/keys', {}, headers)
    expectRefusal(repeat, 409, 'SECRET_SHOWN_ONCE')
    expect(repeat.text).not.toContain('rwk_')
    expect(keyNames()).toEqual([['key-1', null]])
    const other = await post('alice/keys', { name: 'other' }, headers)
    expectRefusal(other, 422, 'IDEMPOTENCY_KEY_REUSED')
  })

  test('of a dry run is not told and not made', async () => {
    const dry = await post('alice/keys?dryRun=true')
    expect(dry.body).toMatchObject({ key: { name: 'key-1' } })
    expect(dry.text).not.toContain('secret')
    expect(keyNames()).toEqual([])
  })

  test('survives what others write meanwhile', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => post('alice/keys')))
    expect(made.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 201))
    const hashes = new Set(made.map(({ body }) => hashApiKey(body.secret)))
    expect(new Set(specOf().credentials?.keys?.map(({ hash }) => hash))).toEqual(hashes)
  })

  test('of which there are as many as may be takes the place of those that are over', async () => {
    await post('alice/keys', { name: 'short', ttlSeconds: 60 })
    for (let at = 1; at < CREDENTIALS_PER_CONSUMER_MAX; at++) await post('alice/keys')
    const full = await post('alice/keys')
    expectRefusal(full, 422, 'INVALID_DEFINITION')
    expect(full.body.issues[0].path).toBe('spec.credentials.keys')
    nowMs += 60_000
    expect((await post('alice/keys')).status).toBe(201)
    expect(keyNames().map(([name]) => name)).not.toContain('short')
  })

  test('is rotated: the old one goes on for a day, or as long as is said, and never longer than before', async () => {
    const first = await post('alice/keys', { name: 'ci' })
    const second = await post('alice/keys/ci/rotate')
    expect(second.body).toMatchObject({
      key: { name: 'ci-1' },
      previous: { name: 'ci', expiresAt: '2030-01-02T00:00:00.000Z' },
    })
    expect(hashApiKey(second.body.secret)).toBe(second.body.key.hash)
    expect(second.body.secret).not.toBe(first.body.secret)
    await post('alice/keys/ci-1/rotate', { overlapSeconds: 0, name: 'newest', ttlSeconds: 60 })
    await post('alice/keys/newest/rotate', { overlapSeconds: 3_600 })
    expect(keyNames()).toEqual([
      ['ci', '2030-01-02T00:00:00.000Z'],
      ['ci-1', '2030-01-01T00:00:00.000Z'],
      ['newest', '2030-01-01T00:01:00.000Z'],
      ['newest-1', null],
    ])
    expect(await everywhere()).not.toContain(second.body.secret)
  })

  test('is revoked, and a repeat says the same', async () => {
    await post('alice/keys', { name: 'ci' })
    const headers = { 'idempotency-key': 'gone' }
    const line = 'DELETE /v1/consumers/alice/keys/ci?wait=applied'
    const gone = await ask(line, { headers })
    expect(gone.body).toMatchObject({ key: { name: 'ci' }, rollout: { gateways: 0, behind: [] } })
    expect(specOf()).toEqual({ plans: ['gold'] })
    expect((await ask(line, { headers })).body).toMatchObject({ revision: gone.body.revision })
  })
})

describe('a password', () => {
  function verifies(password: string, username = 'al'): boolean {
    const stored = specOf().credentials?.basic?.find((each) => each.username === username)?.hash
    const [, , , parameters = '', salt = '', hash = ''] = (stored ?? '').split('$')
    expect(parameters).toBe('m=19456,t=2,p=1')
    return argon2Sync('argon2id', {
      message: password,
      nonce: Buffer.from(salt, 'base64'),
      parallelism: 1,
      tagLength: 32,
      memory: 19_456,
      passes: 2,
    }).equals(Buffer.from(hash, 'base64'))
  }

  test('is generated, told once and kept as argon2id', async () => {
    const made = await post('alice/passwords', { username: 'al' })
    expect(made.status, made.text).toBe(201)
    expect(made.body).toMatchObject({ name: 'alice', basic: { username: 'al' } })
    expect(made.body.password).toMatch(/^[A-Za-z0-9_-]{24}$/)
    expect(verifies(made.body.password)).toBe(true)
    expect(verifies('another one')).toBe(false)
    expect(await everywhere()).not.toContain(made.body.password)
  })

  test('that is given is told to nobody, and takes the place of the one before', async () => {
    await post('alice/passwords', { username: 'al', password: 'first password' })
    const headers = { 'idempotency-key': 'once' }
    const json = { username: 'al', password: 'correct horse' }
    const made = await post('alice/passwords', json, headers)
    expect(made.body).not.toHaveProperty('password')
    expect(specOf().credentials?.basic).toHaveLength(1)
    expect(verifies('correct horse')).toBe(true)
    expectRefusal(await post('alice/passwords', json, headers), 409, 'SECRET_SHOWN_ONCE')
    expect(await everywhere()).not.toContain('correct horse')
  })

  test('must be long enough, and its user name free', async () => {
    const short = await post('alice/passwords', { username: 'al', password: '7 chars' })
    expectRefusal(short, 400, 'INVALID_REQUEST')
    expect(short.text).not.toContain('7 chars')
    await ask('PUT /v1/consumers/bob', { json: { spec: {} } })
    await post('alice/passwords', { username: 'al' })
    const taken = await post('bob/passwords', { username: 'al' })
    expectRefusal(taken, 422, 'INVALID_DEFINITION')
    expect(taken.body.issues).toEqual([
      {
        path: 'spec.credentials.basic.0.username',
        message: 'Consumer "alice" has this username',
      },
    ])
  })

  test('is taken away by its user name', async () => {
    await post('alice/passwords', { username: 'al' })
    expect((await ask('DELETE /v1/consumers/alice/passwords/al')).status).toBe(200)
    expect(specOf()).toEqual({ plans: ['gold'] })
    const again = await ask('DELETE /v1/consumers/alice/passwords/al')
    expectRefusal(again, 404, 'CREDENTIAL_NOT_FOUND')
  })
})

describe('a secret for signatures', () => {
  function stored(at: number): string {
    const secret = specOf().credentials?.hmac?.[at]?.secret
    if (!isSealed(secret)) throw new Error('not sealed')
    const path = `spec.credentials.hmac.${at}.secret`
    const opened = openSecret(sealKeys, { kind: 'Consumer', name: 'alice', path }, secret.sealed)
    return opened.ok ? opened.value : opened.reason
  }

  test('is generated, told once and sealed', async () => {
    const made = await post('alice/hmac')
    expect(made.body.hmac.keyId).toMatch(/^rwh_/)
    expect(stored(0)).toBe(made.body.secret)
    const given = await post('alice/hmac', { keyId: 'mine', secret: 'the given one' })
    expect(given.body).not.toHaveProperty('secret')
    expect(stored(1)).toBe('the given one')
    const all = await everywhere()
    expect(all).not.toContain(made.body.secret)
    expect(all).not.toContain('the given one')
    expectRefusal(await post('alice/hmac', { keyId: 'mine' }), 409, 'CREDENTIAL_EXISTS')
  })

  test('that stood behind one that goes can be opened at its new place', async () => {
    for (const keyId of ['a', 'b', 'c'])
      await post('alice/hmac', { keyId, secret: `secret ${keyId}` })
    expect((await ask('DELETE /v1/consumers/alice/hmac/a')).status).toBe(200)
    expect([stored(0), stored(1)]).toEqual(['secret b', 'secret c'])
  })
})

test('without a key to seal with, a secret is refused and a key is not', async () => {
  const bare = await startCluster(1)
  try {
    await call(bare.url(0), 'PUT /v1/consumers/alice', { json: { spec: {} } })
    const refused = await call(bare.url(0), 'POST /v1/consumers/alice/hmac', { json: {} })
    expectRefusal(refused, 422, 'SEAL_KEY_MISSING')
    const made = await call(bare.url(0), 'POST /v1/consumers/alice/keys', { json: {} })
    expect(made.status).toBe(201)
  } finally {
    await bare.close()
  }
})
