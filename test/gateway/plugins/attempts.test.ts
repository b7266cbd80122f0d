/** Goal: who tries out credentials is held back by address, and nobody else is locked out by it. */
import { expect, test } from 'vitest'
import { consumer, pluginBench, withKey, type PluginBench } from './support.ts'

const GOOD = 'X-Api-Key: k'

async function guarded(
  attempts?: false | { limit: number; windowMs: number },
): Promise<PluginBench> {
  return pluginBench(
    {
      'key-auth': {},
      authentication: { require: 'none', ...(attempts === undefined ? {} : { attempts }) },
    },
    consumer('ada', withKey('k')),
    consumer('bob', withKey('other')),
  )
}

async function guess(bench: PluginBench, n: number): Promise<(string | null)[]> {
  const codes: (string | null)[] = []
  for (let i = 0; i < n; i++) codes.push((await bench.get(`X-Api-Key: wrong-${i}`)).code)
  return codes
}

test('failed attempts are held back once there were as many as an address has', async () => {
  const bench = await guarded({ limit: 3, windowMs: 60_000 })
  const invalid = 'API_KEY_INVALID'
  expect(await guess(bench, 4)).toEqual([invalid, invalid, invalid, 'TOO_MANY_ATTEMPTS'])
  const { head, status } = await bench.get('X-Api-Key: wrong')
  expect(status).toBe(429)
  expect(head).toContain('\r\nRetry-After: 20\r\n')
  bench.nowMs += 20_000
  expect(await guess(bench, 2)).toEqual([invalid, 'TOO_MANY_ATTEMPTS'])
})

test('a guess that is right is not told apart while the address is held back', async () => {
  const bench = await guarded({ limit: 3, windowMs: 60_000 })
  await guess(bench, 3)
  expect((await bench.get(GOOD)).code).toBe('TOO_MANY_ATTEMPTS')
  bench.nowMs += 20_000
  expect((await bench.get(GOOD)).status).toBe(200)
})

test('who was good from there before goes on, and others do not', async () => {
  const bench = await guarded({ limit: 3, windowMs: 60_000 })
  expect((await bench.get(GOOD)).status).toBe(200)
  await guess(bench, 5)
  expect((await bench.get(GOOD)).status).toBe(200)
  expect((await bench.get('X-Api-Key: other')).code).toBe('TOO_MANY_ATTEMPTS')
})

test('who shows nothing tries nothing', async () => {
  const bench = await guarded({ limit: 1, windowMs: 60_000 })
  await guess(bench, 2)
  for (let i = 0; i < 3; i++) expect((await bench.get()).status).toBe(200)
})

test('without options it is twenty a minute, and false is any number', async () => {
  expect(
    (await guess(await guarded(), 21)).filter((code) => code === 'TOO_MANY_ATTEMPTS'),
  ).toHaveLength(1)
  const bench = await guarded(false)
  expect(await guess(bench, 25)).not.toContain('TOO_MANY_ATTEMPTS')
  expect((await bench.get(GOOD)).status).toBe(200)
})
