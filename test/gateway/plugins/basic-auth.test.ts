/**
 * Goal: callers are known by user name and password, compared off the event loop, a few at once, and remembered.
 * Method: real argon2id with the least memory that it takes, a worker with a real socket.
 */
import { argon2Sync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readArgon2Hash } from '../../../shared/argon2-hash.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { consumerSpecSchema } from '../../../shared/definitions/consumer.ts'
import { PASSWORDS_AT_ONCE_MAX, PASSWORDS_WAITING_MAX } from '../../../shared/access-limits.ts'
import { Passwords } from '../../../gateway/plugins/passwords.ts'
import { consumer, golden, pluginBench } from './support.ts'

function hashed(password: string, { memory = 64, passes = 1 } = {}): string {
  const nonce = Buffer.from('0123456789abcdef')
  const tag = argon2Sync('argon2id', {
    message: password,
    nonce,
    parallelism: 1,
    tagLength: 32,
    memory,
    passes,
  })
  const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')
  return `$argon2id$v=19$m=${memory},t=${passes},p=1$${base64(nonce)}$${base64(tag)}`
}

function user(name: string, username: string, password: string): DefinitionInput {
  return consumer(name, { credentials: { basic: [{ username, hash: hashed(password) }] } })
}

function basic(username: string, password: string): string {
  return `Authorization: Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

test('a password that is good lets pass; what reaches the target', async () => {
  const bench = await pluginBench({ 'basic-auth': {} }, user('ada', 'Ada L.', 'pass:wörd'))
  const answer = await bench.get(basic('Ada L.', 'pass:wörd'), 'X-Consumer-Name: root')
  expect(answer.status).toBe(200)
  expect(golden(bench.reached[0])).toBe(`GET / HTTP/1.1
Host: shop.example
X-Forwarded-For: 127.0.0.1
X-Forwarded-Proto: http
X-Forwarded-Host: shop.example
X-Forwarded-Port: *
X-Request-Id: *
Via: 1.1 raftway
X-Consumer-Name: ada
X-Consumer-Credential: Ada L.

`)
})

test.each([
  ['another password', basic('ada', 'Pass'), 'CREDENTIALS_INVALID'],
  ['no password', basic('ada', ''), 'CREDENTIALS_INVALID'],
  ['another user', basic('bob', 'pass'), 'CREDENTIALS_INVALID'],
  ['a user in another case', basic('Ada', 'pass'), 'CREDENTIALS_INVALID'],
  [
    'no colon',
    `Authorization: Basic ${Buffer.from('ada').toString('base64')}`,
    'CREDENTIALS_INVALID',
  ],
  ['no base64', 'Authorization: Basic %%%', 'CREDENTIALS_INVALID'],
  ['no user', 'Authorization: Basic', 'CREDENTIALS_INVALID'],
  ['another scheme', 'Authorization: Bearer x', 'CREDENTIALS_MISSING'],
  ['nothing', 'X-None: 1', 'CREDENTIALS_MISSING'],
])('%s is refused, with what the route wants', async (_what, field, code) => {
  const bench = await pluginBench({ 'basic-auth': { realm: 'shop' } }, user('ada', 'ada', 'pass'))
  const answer = await bench.get(field)
  expect([answer.status, answer.code]).toEqual([401, code])
  expect(answer.head).toContain('WWW-Authenticate: Basic realm="shop", charset="UTF-8"')
  expect(bench.reached).toEqual([])
})

test('the scheme is written in any case, and keep leaves the field', async () => {
  const bench = await pluginBench({ 'basic-auth': { keep: true } }, user('ada', 'ada', 'pass'))
  const field = basic('ada', 'pass').replace('Basic ', 'bAsIc  ')
  expect((await bench.get(field)).status).toBe(200)
  expect(bench.reached[0]).toContain(field)
})

test('what was good is remembered until its Consumer changes', async () => {
  const bench = await pluginBench({ 'basic-auth': {} }, user('ada', 'ada', 'pass'))
  const statuses = async (...passwords: string[]): Promise<number[]> => {
    const answers = await Promise.all(passwords.map((each) => bench.get(basic('ada', each))))
    return answers.map(({ status }) => status)
  }
  expect(await statuses('pass', 'pass', 'wrong', 'pass')).toEqual([200, 200, 401, 200])
  bench.worker.adopt(user('ada', 'ada', 'other'))
  expect(await statuses('pass', 'other')).toEqual([401, 200])
  bench.worker.adopt(user('ada', 'eve', 'other'))
  expect(await statuses('other')).toEqual([401])
  bench.worker.remove('Consumer', 'ada')
  expect((await bench.get(basic('eve', 'other'))).status).toBe(401)
})

test('a password that was remembered is not compared again', async () => {
  const slow = hashed('pass', { memory: 32_768, passes: 2 })
  const bench = await pluginBench(
    { 'basic-auth': {} },
    consumer('ada', { credentials: { basic: [{ username: 'ada', hash: slow }] } }),
  )
  const timed = async (password: string): Promise<number> => {
    const began = performance.now()
    await bench.get(basic('ada', password))
    return performance.now() - began
  }
  const first = await timed('pass')
  const again = await Promise.all(Array.from({ length: 3 }, () => timed('pass')))
  expect(Math.min(...again)).toBeLessThan(first)
})

describe('passwords', () => {
  const read = (text: string) => {
    const hash = readArgon2Hash(text)
    if (hash === null) throw new Error('no hash')
    return hash
  }

  test('more than may wait are turned away at once, and all others are answered', async () => {
    const passwords = new Passwords()
    const hash = read(hashed('pass'))
    const asked = Array.from({ length: PASSWORDS_AT_ONCE_MAX + PASSWORDS_WAITING_MAX }, (_, at) =>
      passwords.compare(hash, at === 5 ? 'pass' : 'wrong'),
    )
    expect(passwords.compare(hash, 'pass')).toBeNull()
    const results = await Promise.all(asked.map(async (each) => each))
    expect(results.filter((isGood) => isGood === true)).toHaveLength(1)
    expect(results.filter((isGood) => isGood === false)).toHaveLength(asked.length - 1)
    expect(await passwords.compare(hash, 'pass')).toBe(true)
  })

  test('for a user that nobody knows as much is done as for the last one that was known', async () => {
    const passwords = new Passwords()
    const heavy = read(hashed('pass', { memory: 32_768, passes: 3 }))
    await passwords.compare(heavy, 'wrong')
    const timed = async (run: () => Promise<boolean> | null): Promise<number> => {
      const began = performance.now()
      await run()
      return performance.now() - began
    }
    const light = read(hashed('pass'))
    const unknown = await timed(() => passwords.compareWithNone('wrong'))
    const cheap = await timed(() => passwords.compare(light, 'wrong'))
    // 32 MiB three times against 64 KiB once: orders of magnitude, whatever else the machine does.
    expect(unknown).toBeGreaterThan(cheap)
    expect(await passwords.compareWithNone('pass')).toBe(false)
  })
})

test.each([
  ['m=64,t=1,p=1', true],
  ['m=262144,t=16,p=16', true],
  ['m=262145,t=1,p=1', false],
  ['m=64,t=17,p=1', false],
  ['m=64,t=0,p=1', false],
  ['m=64,t=1,p=0', false],
  ['m=64,t=1,p=17', false],
  ['m=15,t=1,p=2', false],
])('a hash that costs %s is good: %s', (costs, isGood) => {
  const hash = `$argon2id$v=19$${costs}$MDEyMzQ1Njc4OWFiY2RlZg$${'A'.repeat(43)}`
  const spec = { credentials: { basic: [{ username: 'ada', hash }] } }
  expect(consumerSpecSchema.safeParse(spec).success).toBe(isGood)
})
