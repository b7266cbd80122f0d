import { expect, test } from 'vitest'
import { EXPLAIN_CANDIDATES_MAX } from '../../../shared/limits.ts'
import { explain } from '../../../shared/routing/table.ts'
import { api, request, routes, tableOf, upstream } from './samples.ts'

test('the decision names the route, its upstream and the path for the target', () => {
  const table = tableOf(
    upstream('cart'),
    api('shop', {
      hosts: ['.x.com'],
      upstream: 'cart',
      routes: [{ path: '/v1/', rewrite: { prefix: '/' } }],
    }),
  )
  expect(explain(table, request('/v1/cart', { host: 'a.x.com' }))).toEqual({
    matched: {
      api: 'shop',
      route: 0,
      host: '.x.com',
      match: 'prefix',
      path: '/v1/',
      reason: '',
      upstream: 'Upstream/cart',
      targetPath: '/cart',
    },
    candidates: [],
  })
})

test('each candidate that lost says why, in the order of trial', () => {
  const table = tableOf(
    api('a', {
      hosts: ['x.com'],
      routes: [
        { path: '/p/1', match: 'exact', methods: ['POST', 'PUT'] },
        { path: '/p/{id}', match: 'template', headers: { 'X-A': '1' } },
        { path: '/p/{id}', match: 'template', headers: { 'X-B': { present: false } } },
        { path: '^/p/[a-z]', match: 'regex' },
        { path: '/p', query: { q: { prefix: 'z' } } },
        { path: '/p/', match: 'text-prefix' },
        { path: '/p', methods: ['GET'], priority: 1 },
        { path: '/', priority: 2 },
      ],
    }),
    api('b', { hosts: ['x.com'], routes: [{ path: '/p', methods: ['GET', 'PUT'] }] }),
    api('c', { routes: [{ path: '/p' }] }),
  )
  const headers = { 'x-a': '2', 'x-b': '' }
  const { matched, candidates } = explain(
    table,
    request('/p/1', { host: 'x.com', headers, query: 'q=1&q=2' }),
  )
  expect(matched).toMatchObject({ api: 'a', route: 5, match: 'text-prefix' })
  expect(candidates.map(({ api, route, reason }) => `${api}/${route} ${reason}`)).toEqual([
    'a/0 method GET is not POST or PUT',
    'a/1 header x-a is "2", not "1"',
    'a/2 header x-b is present',
    'a/3 path /p/1 does not match',
    'a/6 less specific: a literal prefix of 2 characters, not 3',
    'a/4 query parameter q is "1", "2", which does not begin with "z"',
    'b/0 less specific: a literal prefix of 2 characters, not 3',
    'a/7 less specific: a literal prefix of 0 characters, not 3',
    'c/0 less specific: host * after x.com',
  ])
})

test('candidates that are equally specific are told apart by priority, name and place', () => {
  const one = (name: string, ...methods: string[]) =>
    api(name, { routes: [{ path: '/', methods }] })
  const table = tableOf(
    api('z', { routes: [{ path: '/', methods: ['GET', 'A'], priority: 1 }] }),
    one('a', 'GET', 'B'),
    one('b', 'GET', 'C'),
    api('y', {
      routes: [
        { path: '/', methods: ['D', 'GET'] },
        { path: '/', methods: ['E', 'GET'] },
      ],
    }),
    api('x', { routes: [{ path: '/' }] }),
  )
  const reasonsOf = (method: string) =>
    explain(table, request('/', { method })).candidates.map(
      ({ api, route, reason }) => `${api}/${route} ${reason}`,
    )
  expect(reasonsOf('GET')).toEqual([
    'a/0 priority 0 is below 1',
    'b/0 priority 0 is below 1',
    'y/0 priority 0 is below 1',
    'y/1 priority 0 is below 1',
    'x/0 less specific: 0 predicates, not 1',
  ])
  expect(reasonsOf('B').slice(1)).toEqual([
    'b/0 method B is not GET or C',
    'y/0 method B is not D or GET',
    'y/1 method B is not E or GET',
    'x/0 less specific: 0 predicates, not 1',
  ])
})

test('equally specific candidates go by the name of the Api, then by place', () => {
  const table = tableOf(
    api('b', {
      routes: [
        { path: '/', headers: { h: '1' } },
        { path: '/', headers: { i: '1' } },
      ],
    }),
    api('a', { routes: [{ path: '/', headers: { j: '1' } }] }),
  )
  const reasonsOf = (headers: Record<string, string>) =>
    explain(table, request('/', { headers })).candidates.map(({ reason }) => reason)
  expect(reasonsOf({ h: '1', i: '1', j: '1' })).toEqual([
    'equally specific, and "a" comes first by name',
    'equally specific, and "a" comes first by name',
  ])
  expect(reasonsOf({ h: '1', i: '1' })).toEqual([
    'header j is missing',
    'equally specific, and route 0 comes first in the Api',
  ])
})

test('a request that nothing takes gets the reasons alone', () => {
  const { matched, candidates } = explain(
    routes({ path: '/a', methods: ['PUT'] }, { path: '/b' }),
    request('/a'),
  )
  expect(matched).toBeNull()
  expect(candidates.map(({ reason }) => reason)).toEqual(['method GET is not PUT'])
})

test('the list of candidates is bounded', () => {
  const many = Array.from({ length: 50 }, (_, at) => ({ path: '/', headers: { h: String(at) } }))
  const { matched, candidates } = explain(routes(...many, { path: '/' }), request('/'))
  expect(matched).toMatchObject({ route: 50 })
  expect(candidates).toHaveLength(EXPLAIN_CANDIDATES_MAX)
})
