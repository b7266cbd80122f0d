// Goal: a secret comes in, and is never seen again; what is shown in its place can be put back.
// A row of a table that fails is named: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  openSecret,
  readSealKeys,
  sealSecret,
  type SealKey,
} from '../../../shared/definitions/seal.ts'
import { call, TestWatch, type Reply } from '../../conformance/api-client.ts'
import { startCluster, type Running } from './start.ts'

const SECRET = 'hunter2-is-the-secret'
const OLD_KEY = freshKey()
const NEW_KEY = freshKey()

function freshKey(): SealKey {
  const read = readSealKeys(randomBytes(32).toString('hex'))
  const [key] = read.ok ? read.keys : []
  if (key === undefined) throw new Error('no key')
  return key
}

let running: Running
beforeEach(async () => {
  running = await startCluster(2, { sealKeys: [OLD_KEY] })
})
afterEach(() => running.close())

function put(value: unknown, at = 1, name = 'db'): Promise<Reply> {
  return call(running.url(at), `PUT /v1/secrets/${name}`, { json: { spec: { value } } })
}

/** The sealed text that stands on a node. */
function sealedOf(name = 'db', at = 0): string {
  const definition = running.node(at).state.get('Secret', name)
  const value = definition?.kind === 'Secret' ? definition.spec.value : null
  if (value === null || typeof value !== 'object' || !('sealed' in value)) {
    throw new Error(`not sealed: ${JSON.stringify(value)}`)
  }
  return value.sealed
}

function place(name = 'db'): { kind: string; name: string; path: string } {
  return { kind: 'Secret', name, path: 'spec.value' }
}

function operation(value: unknown, more: object = {}): object {
  return { op: 'put', kind: 'Secret', name: 'db', spec: { value }, ...more }
}

describe('a secret', () => {
  test('is sealed before it is proposed, and redacted wherever it is shown', async () => {
    const watch = await TestWatch.open(running.url(1))
    const created = await put(SECRET)
    expect(created.status, created.text).toBe(201)
    const { redacted } = created.body.spec.value
    expect(redacted).toMatch(/^[0-9a-f]{32}$/)
    expect(JSON.stringify(running.cluster.log)).not.toContain(SECRET)
    expect(openSecret([OLD_KEY], place(), sealedOf())).toEqual({ ok: true, value: SECRET })
    const change = await watch.nextOf('change')
    expect(change.changes[0].definition).toEqual(created.body)
    const shown: string[] = [created.text, JSON.stringify(change)]
    for (const line of [
      'GET /v1/secrets/db',
      'GET /v1/secrets',
      'GET /v1/config',
      'GET /v1/diff?from=0',
      'GET /v1/history',
      'GET /v1/explain?url=/',
    ]) {
      const reply = await call(running.url(0), line)
      expect(reply.status, line).toBe(200)
      shown.push(reply.text)
    }
    const fresh = await TestWatch.open(running.url(0))
    shown.push(JSON.stringify(await fresh.nextOf('definition')))
    const replayed = await TestWatch.open(running.url(0), '?from=0')
    shown.push(JSON.stringify(await replayed.nextOf('change')))
    for (const text of shown) {
      expect(text).not.toContain(SECRET)
      expect(text).not.toContain(sealedOf())
    }
    expect(shown.filter((text) => text.includes(redacted)).length).toBeGreaterThanOrEqual(7)
    for (const each of [watch, fresh, replayed]) each.close()
  })

  test('reaches gateways sealed, with the hash of what they get', async () => {
    await put(SECRET)
    for (const query of ['?gateway=gw1', '?gateway=gw1&from=0']) {
      const watch = await TestWatch.open(running.url(1), query)
      const line = await watch.nextOf(query.includes('from') ? 'change' : 'definition')
      const definition = line.definition ?? line.changes[0].definition
      expect(definition.spec.value).toEqual({ sealed: sealedOf() })
      expect(JSON.stringify(line)).not.toContain(SECRET)
      watch.close()
    }
  })

  test('is the same bytes when the same is written again', async () => {
    await put(SECRET)
    const first = sealedOf()
    await put(SECRET)
    expect(sealedOf()).toBe(first)
    const headers = { 'idempotency-key': 'same' }
    const json = { operations: [operation(SECRET)] }
    const one = await call(running.url(0), 'POST /v1/transactions', { json, headers })
    const two = await call(running.url(1), 'POST /v1/transactions', { json, headers })
    expect(two.body).toEqual(one.body)
  })

  test('that does not differ is left alone by a put that asks for it, and a repeat is no conflict', async () => {
    await put(SECRET)
    const { revision } = running.node(0).state
    const json = { operations: [operation(SECRET, { ifChanged: true })] }
    const same = await call(running.url(1), 'POST /v1/transactions', { json })
    expect(same.body).toMatchObject({ revision, results: [], unchanged: true })
    const headers = { 'idempotency-key': 'changes' }
    const other = { operations: [operation('another', { ifChanged: true })] }
    const first = await call(running.url(0), 'POST /v1/transactions', { json: other, headers })
    expect(first.body.results).toHaveLength(1)
    const repeat = await call(running.url(1), 'POST /v1/transactions', { json: other, headers })
    expect(repeat.body).toEqual(first.body)
  })

  test('that was exported is the stored one when it is put back, and an older export is refused by its path', async () => {
    await put(SECRET)
    const exported = await call(running.url(1), 'GET /v1/config')
    const before = sealedOf()
    const back = await call(running.url(1), 'PUT /v1/config', {
      json: { definitions: exported.body.definitions },
    })
    expect(back.body.unchanged).toBe(true)
    const single = await put(exported.body.definitions[0].spec.value)
    expect(single.status, single.text).toBe(200)
    expect(sealedOf()).toBe(before)
    await put('another value')
    for (const [line, json, path] of [
      ['PUT /v1/secrets/db', { spec: exported.body.definitions[0].spec }, 'spec.value'],
      [
        'POST /v1/transactions',
        { operations: [operation(exported.body.definitions[0].spec.value)] },
        'operations.0.spec.value',
      ],
      ['PUT /v1/config', { definitions: exported.body.definitions }, 'definitions.0.spec.value'],
    ] as const) {
      const stale = await call(running.url(1), line, { json })
      expect(stale.body, stale.text).toMatchObject({ code: 'INVALID_DEFINITION' })
      expect(stale.body.issues[0].path).toBe(path)
    }
    const elsewhere = await put(exported.body.definitions[0].spec.value, 1, 'copy')
    expect(elsewhere.body.code).toBe('INVALID_DEFINITION')
  })

  test('that is sealed already is taken at its own place only', async () => {
    const own = sealSecret(OLD_KEY, place(), SECRET)
    expect((await put({ sealed: own })).status).toBe(201)
    expect(sealedOf()).toBe(own)
    const moved = await put({ sealed: own }, 1, 'thief')
    expect(moved.body).toMatchObject({ code: 'INVALID_DEFINITION' })
    expect(moved.body.issues[0].path).toBe('spec.value')
    const foreign = await put({ sealed: sealSecret(NEW_KEY, place(), SECRET) })
    expect(foreign.body).toMatchObject({ status: 422, code: 'SEAL_KEY_MISSING' })
    expect(foreign.body.detail).toContain(NEW_KEY.id)
  })

  test('in a body that is wrong is not repeated', async () => {
    const bodies: readonly [string, string][] = [
      ['application/json', `{"spec":{"value":"${SECRET}"`],
      ['application/json', `{"spec":{"value":{"${SECRET}":1}}}`],
      ['application/json', `{"spec":{"value":"${SECRET}","value2":1}}`],
      ['application/json', `{"spec":{"value":["${SECRET}"]}}`],
      ['application/yaml', `spec:\n  value: |${SECRET}\n`],
      ['application/yaml', `spec:\n  value: *${SECRET}\n`],
      ['application/yaml', `spec:\n    value: x\n   ${SECRET}\n`],
      ['application/yaml', `spec:\n  value: "\\u12${SECRET}"\n`],
    ]
    for (const [type, text] of bodies) {
      const headers = { 'content-type': type }
      const reply = await call(running.url(0), 'PUT /v1/secrets/db', { text, headers })
      expect([400, 422], text).toContain(reply.status)
      expect(reply.text).not.toContain(SECRET.slice(0, 4))
    }
  })
})

describe('without a key', () => {
  test('a definition with a secret is refused with the reason, and others are not', async () => {
    const bare = await startCluster(1)
    const reply = await call(bare.url(0), 'PUT /v1/secrets/db', { json: { spec: { value: 'x' } } })
    expect(reply.body).toMatchObject({
      status: 422,
      code: 'SEAL_KEY_MISSING',
      issues: [{ path: 'spec.value', message: expect.stringContaining('--seal-key') as string }],
    })
    expect((await call(bare.url(0), 'POST /v1/reseal')).body.code).toBe('SEAL_KEY_MISSING')
    const json = { spec: { targets: [{ url: 'http://127.0.0.1:9001' }] } }
    expect((await call(bare.url(0), 'PUT /v1/upstreams/u', { json })).status).toBe(201)
    await bare.close()
  })
})

describe('a new key', () => {
  test('seals everything anew in one revision, and the old one is not needed after', async () => {
    await running.close()
    running = await startCluster(2, { sealKeys: [NEW_KEY, OLD_KEY] })
    for (const name of ['a', 'b']) {
      await put({ sealed: sealSecret(OLD_KEY, place(name), `value of ${name}`) }, 0, name)
    }
    await put('new already', 0, 'c')
    const untouched = sealedOf('c')
    const dry = await call(running.url(1), 'POST /v1/reseal?dryRun=true')
    expect(dry.body.results).toHaveLength(2)
    const done = await call(running.url(1), 'POST /v1/reseal')
    expect(done.body).toMatchObject({ keyId: NEW_KEY.id, unchanged: false })
    expect(done.body.results).toHaveLength(2)
    for (const name of ['a', 'b']) {
      const opened = openSecret([NEW_KEY], place(name), sealedOf(name))
      expect(opened).toEqual({ ok: true, value: `value of ${name}` })
    }
    expect(sealedOf('c')).toBe(untouched)
    const again = await call(running.url(0), 'POST /v1/reseal')
    expect(again.body).toMatchObject({ unchanged: true, results: [] })
    const { body } = await call(running.url(0), 'GET /v1/history?limit=1')
    expect(body.items[0].message).toContain(NEW_KEY.id)
  })

  test('that comes without the old one changes nothing, and says which is missing', async () => {
    await put(SECRET)
    const log = running.cluster.log
    const other = await startCluster(1, { sealKeys: [NEW_KEY] })
    for (const command of log) other.cluster.append(command)
    const reply = await call(other.url(0), 'POST /v1/reseal')
    expect(reply.body).toMatchObject({ code: 'SEAL_KEY_MISSING' })
    expect(reply.body.detail).toContain(OLD_KEY.id)
    await other.close()
  })
})
