import { expect, test } from 'vitest'
import type { RolesOptions } from '../../../shared/plugins/roles.ts'
import { rolesOptionsSchema } from '../../../shared/plugins/roles.ts'
import { consumer, golden, plan, pluginBench, withKey } from './support.ts'

/** The status of a request of a Consumer with these roles. */
async function statusOf(options: RolesOptions, roles: readonly string[]): Promise<number> {
  const bench = await pluginBench(
    { 'key-auth': {}, roles: options },
    consumer('ada', { ...withKey('k'), roles: [...roles] }),
  )
  return (await bench.get('X-Api-Key: k')).status
}

test.each<[RolesOptions, string[], number]>([
  [{ all: ['a', 'b'] }, ['b', 'a', 'c'], 200],
  [{ all: ['a', 'b'] }, ['a'], 403],
  [{ all: ['a'] }, [], 403],
  [{ any: ['a', 'b'] }, ['b'], 200],
  [{ any: ['a', 'b'] }, ['c'], 403],
  [{ any: [['a', 'b'], ['c']] }, ['b', 'c'], 200],
  [{ any: [['a', 'b'], ['c']] }, ['a', 'b'], 403],
  [{ all: ['x'], any: ['a', 'b'] }, ['a'], 403],
  [{ all: ['x'], any: ['a', 'b'] }, ['a', 'x'], 200],
])('%j asked of %j gives %i', async (options, roles, status) => {
  expect(await statusOf(options, roles)).toBe(status)
})

test('roles of plans count, and the target is told all of them', async () => {
  const bench = await pluginBench(
    { 'key-auth': {}, roles: { all: ['own', 'given'] } },
    consumer('ada', { ...withKey('k'), roles: ['own'], plans: ['gold'] }),
    plan('gold', { roles: ['given'] }),
  )
  expect((await bench.get('X-Api-Key: k', 'X-Consumer-Roles: admin')).status).toBe(200)
  expect(golden(bench.reached[0])).toBe(`GET / HTTP/1.1
Host: shop.example
X-Forwarded-For: 127.0.0.1
X-Forwarded-Proto: http
X-Forwarded-Host: shop.example
X-Forwarded-Port: *
X-Request-Id: *
Via: 1.1 raftway
X-Consumer-Name: ada
X-Consumer-Credential: main
X-Consumer-Roles: own,given

`)
  bench.worker.adopt(plan('gold', { roles: ['other'] }))
  expect((await bench.get('X-Api-Key: k')).code).toBe('ACCESS_DENIED')
})

test('whoever is not known has no roles', async () => {
  const bench = await pluginBench({
    'key-auth': {},
    authentication: { require: 'none' },
    roles: { any: ['a'] },
  })
  const answer = await bench.get()
  expect([answer.status, answer.code]).toEqual([403, 'ACCESS_DENIED'])
})

test('a route asks for more than its Api, or for something else', async () => {
  const bench = await pluginBench(
    { 'key-auth': {} },
    consumer('ada', { ...withKey('k'), roles: ['a', 'b'] }),
    consumer('bob', { ...withKey('l'), roles: ['b', 'c'] }),
  )
  bench.worker.adopt({
    kind: 'Api',
    name: 'other',
    spec: {
      upstream: { targets: [{ url: 'http://127.0.0.1:1' }] },
      plugins: { 'key-auth': {}, roles: { all: ['a'], any: ['a', 'x'] } },
      routes: [
        { path: '/same' },
        { path: '/more', plugins: { roles: { any: ['b'] } } },
        { path: '/much', plugins: { roles: { all: ['c'], mode: 'append' } } },
        { path: '/own', plugins: { roles: { all: ['c'], mode: 'override' } } },
        { path: '/none', plugins: { roles: false } },
      ],
    },
  })
  const statuses = async (path: string): Promise<readonly number[]> => {
    const ada = await bench.ask(`GET ${path} HTTP/1.1\r\nX-Api-Key: k\r\n`)
    const bob = await bench.ask(`GET ${path} HTTP/1.1\r\nX-Api-Key: l\r\n`)
    return [ada.status, bob.status]
  }
  // 502: it was let through, to a target that is not there.
  expect(await statuses('/same')).toEqual([502, 403])
  expect(await statuses('/more')).toEqual([502, 403])
  expect(await statuses('/much')).toEqual([403, 403])
  expect(await statuses('/own')).toEqual([403, 502])
  expect(await statuses('/none')).toEqual([502, 502])
})

test('options that ask for nothing are refused', () => {
  expect(rolesOptionsSchema.safeParse({ mode: 'override' }).success).toBe(false)
  expect(rolesOptionsSchema.safeParse({ all: [] }).success).toBe(false)
})
