import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOST_MEMO_MAX } from '../../../shared/limits.ts'
import { hashOf } from '../../../shared/routing/bytes.ts'
import { adoptChanges, EMPTY_TABLE, explain, matchRoute } from '../../../shared/routing/table.ts'
import { anyRequest, apiDefinition } from './arbitraries.ts'
import { dumbMatch } from './dumb-table.ts'
import { api, put, request, routes, tableOf, upstream } from './samples.ts'

// Goal: the maps decide exactly as a list that is searched from its beginning would, for every kind of match, host
// and predicate, and `explain` never tells another story than `matchRoute`.
test('routes match as in a linear second implementation, and explain agrees', () => {
  const apis = fc.uniqueArray(apiDefinition, { selector: ({ name }) => name, maxLength: 4 })
  fc.assert(
    fc.property(apis, fc.array(anyRequest, { minLength: 1, maxLength: 20 }), (apis, requests) => {
      const definitions = [upstream('one'), upstream('two'), ...apis]
      const { table, quarantined } = adoptChanges(EMPTY_TABLE, definitions.map(put))
      expect(quarantined).toEqual([])
      for (const each of requests) {
        const expected = dumbMatch(definitions, each)
        expect(matchRoute(table, each)?.id ?? null).toBe(expected)
        const { matched } = explain(table, each)
        expect(matched === null ? null : `${matched.api}/${matched.route}`).toBe(expected)
      }
    }),
    { numRuns: 600 },
  )
})

test.each([
  ['/pets', '/pets', true],
  ['/pets', '/pets/', true],
  ['/pets', '/pets/1', true],
  ['/pets', '/petshop', false],
  ['/pets/', '/pets', true],
  ['/pets/', '/pets/1', true],
  ['/pets/', '/petshop', false],
  ['/', '/', true],
  ['/', '/x', true],
  ['/', '*', false],
  ['/pets', '/Pets', false],
])('a prefix %s takes %s: %s', (path, given, takes) => {
  expect(matchRoute(routes({ path }), request(given)) !== null).toBe(takes)
})

test.each([
  ['/pets/{id}', '/pets/1', true],
  ['/pets/{id}', '/pets/', false],
  ['/pets/{id}', '/pets/1/', false],
  ['/pets/{id}/toys', '/pets/1/toys', true],
  ['/pets/{id}/toys', '/pets//toys', false],
  ['/files/{path*}', '/files/a/b/c', true],
  ['/files/{path*}', '/files/', true],
  ['/files/{path*}', '/files', false],
  ['/f/{name}.json', '/f/a.b.json', true],
  ['/f/{name}.json', '/f/.json', false],
  ['/f/{name}.json', '/f/a/b.json', false],
  ['/v{n}/x', '/v12/x', true],
  ['/{a}-{b}', '/x--y', true],
  ['/{a}-{b}', '/x-', false],
  ['/{p}.x/{rest*}', '/a.x/b/c', true],
  ['/plain', '/plain', true],
  ['/plain', '/plain/', false],
  ['/a+(b)/{c}', '/a+(b)/1', true],
])('a template %s takes %s: %s', (path, given, takes) => {
  expect(matchRoute(routes({ path, match: 'template' }), request(given)) !== null).toBe(takes)
})

test.each([
  ['exact', '/pets', '/pets/', false],
  ['exact', '/pets', '/pets', true],
  ['text-prefix', '/pets', '/petshop', true],
  ['text-prefix', '/pets', '/pet', false],
  ['regex', '^/v[0-9]+/', '/v12/x', true],
  ['regex', '[0-9]$', '/v12/x', false],
  ['regex', '[0-9]$', '/v12', true],
] as const)('%s %s takes %s: %s', (match, path, given, takes) => {
  expect(matchRoute(routes({ path, match }), request(given)) !== null).toBe(takes)
})

test('a path of any length and alphabet is walked', () => {
  const long = `/${'é'.repeat(40_000)}`
  const table = routes({ path: '/é/' }, { path: '/é', match: 'text-prefix' })
  expect(matchRoute(table, request('/é/x'))?.id).toBe('a/0')
  expect(matchRoute(table, request(long))?.id).toBe('a/1')
  expect(matchRoute(table, request('/Ã©/x'))).toBeNull()
})

test('hosts go from exact over the longest suffix to any, and further while nothing fits', () => {
  const on = (name: string, host: string | null, path = '/') =>
    api(name, { ...(host === null ? {} : { hosts: [host] }), routes: [{ path }] })
  const table = tableOf(
    on('any', null),
    on('exact', 'a.x.com', '/exact'),
    on('below', '*.x.com', '/below'),
    on('suffix', '.x.com', '/suffix'),
    on('short', '.com', '/short'),
    on('short-all', '*.com', '/'),
  )
  const at = (host: string, path: string) => matchRoute(table, request(path, { host }))?.api
  expect(at('a.x.com', '/exact')).toBe('exact')
  expect(at('a.x.com', '/below')).toBe('below')
  expect(at('a.x.com', '/suffix')).toBe('suffix')
  expect(at('a.x.com', '/short')).toBe('short-all')
  expect(at('x.com', '/suffix')).toBe('suffix')
  expect(at('x.com', '/below')).toBe('short-all')
  expect(at('com', '/short')).toBe('short')
  expect(at('com', '/other')).toBe('any')
  expect(at('ax.org', '/exact')).toBe('any')
  expect(at('', '/')).toBe('any')
})

test('hosts in definitions may be written in any case', () => {
  const table = tableOf(api('a', { hosts: ['API.Example.com'], routes: [{ path: '/' }] }))
  expect(matchRoute(table, request('/', { host: 'api.example.com' }))?.id).toBe('a/0')
})

test('the query is decoded, and what is malformed stays as it is', () => {
  const at = (query: string, spec: string) => {
    const table = routes({ path: '/', query: { 'q r': spec } })
    return matchRoute(table, request('/', { query })) !== null
  }
  expect(at('q+r=a+b', 'a b')).toBe(true)
  expect(at('q%20r=%C3%A9', 'é')).toBe(true)
  expect(at('q%20r=100%', '100%')).toBe(true)
  expect(at('q%20r=%zz%41', '%zzA')).toBe(true)
  expect(at('q%20r=%ff%41', '%ff%41')).toBe(true)
  expect(at('q%20r', '')).toBe(true)
  expect(at('x=1&q+r=1&q+r=2', '2')).toBe(true)
  expect(at('', '')).toBe(false)
})

test('the query is not read unless a candidate asks for it', () => {
  const table = routes({ path: '/a' }, { path: '/b', query: { q: '1' } }, { path: '/b' })
  let reads = 0
  const counting = (path: string) => ({
    ...request(path),
    get query() {
      reads++
      return 'q=2'
    },
  })
  expect(matchRoute(table, counting('/a'))?.id).toBe('a/0')
  expect(reads).toBe(0)
  expect(matchRoute(table, counting('/b'))?.id).toBe('a/2')
  expect(reads).toBe(1)
})

test('header names match in any case, and an absent header is one that can be asked for', () => {
  const table = routes(
    { path: '/', headers: { 'X-Debug': { present: true } } },
    { path: '/', headers: { 'X-Tenant': { present: false } } },
    { path: '/', headers: { 'X-Tenant': { prefix: 'acme-' } } },
  )
  const at = (headers: Record<string, string>) => matchRoute(table, request('/', { headers }))?.id
  expect(at({ 'x-debug': '' })).toBe('a/0')
  expect(at({})).toBe('a/1')
  expect(at({ 'x-tenant': 'acme-1' })).toBe('a/2')
  expect(at({ 'x-tenant': 'other' })).toBeUndefined()
})

test('an expression that would hang a backtracking engine does not hang this one', () => {
  const table = routes(
    { path: '^/(a+)+$', match: 'regex' },
    { path: '/{a}-{b}-{c}-{d}-{e}x', match: 'template' },
  )
  const start = performance.now()
  expect(matchRoute(table, request(`/${'a'.repeat(5_000)}!`))).toBeNull()
  expect(matchRoute(table, request(`/${'-'.repeat(5_000)}`))).toBeNull()
  expect(performance.now() - start).toBeLessThan(2_000)
})

/** Two texts that are looked up by the same hash: found within about 100,000, because a hash has 32 bits. */
function textsWithOneHash(text: (at: number) => string): readonly [string, string] {
  const seen = new Map<number, string>()
  for (let at = 0; at < 2_000_000; at++) {
    const hash = hashOf(text(at))
    const other = seen.get(hash)
    if (other !== undefined) return [other, text(at)]
    seen.set(hash, text(at))
  }
  throw new Error('no two texts have the same hash')
}

test('paths whose hashes are the same are told apart', () => {
  const [one, two] = textsWithOneHash((at) => `/p${at}`)
  const table = routes(
    { path: one },
    { path: `${one}/{id}/x`, match: 'template' },
    { path: `${two}/{id}/x`, match: 'template' },
    { path: two, match: 'exact' },
    { path: '/' },
  )
  const at = (path: string) => matchRoute(table, request(path))?.at
  expect(at(one)).toBe(0)
  expect(at(`${one}/1`)).toBe(0)
  expect(at(`${one}/1/x`)).toBe(1)
  expect(at(`${two}/1/x`)).toBe(2)
  expect(at(two)).toBe(3)
  expect(at(`${two}/1`)).toBe(4)
})

test('hosts and names whose hashes are the same are told apart', () => {
  const [one, two] = textsWithOneHash((at) => `h${at}`)
  const table = tableOf(
    api(one, { hosts: [one], routes: [{ path: '/' }] }),
    api(two, { hosts: [`.${two}`], routes: [{ path: '/' }] }),
  )
  expect(matchRoute(table, request('/', { host: one }))?.api).toBe(one)
  expect(matchRoute(table, request('/', { host: two }))?.api).toBe(two)
  expect(matchRoute(table, request('/', { host: `a.${two}` }))?.api).toBe(two)
  expect(matchRoute(table, request('/', { host: `a.${one}` }))).toBeNull()
})

test('hosts beyond those that a table remembers match all the same', () => {
  const table = tableOf(
    api('below', { hosts: ['*.x.com'], routes: [{ path: '/a' }] }),
    api('any', { routes: [{ path: '/' }] }),
  )
  for (let at = 0; at < HOST_MEMO_MAX + 10; at++) {
    const host = `h${at}.x.com`
    expect(matchRoute(table, request('/a', { host }))?.api).toBe('below')
  }
  expect(table.hostMemo.size).toBe(HOST_MEMO_MAX)
  expect(matchRoute(table, request('/a', { host: 'one.more.x.com' }))?.api).toBe('below')
  expect(matchRoute(table, request('/b', { host: 'one.more.x.com' }))?.api).toBe('any')
  expect(matchRoute(table, request('/a', { host: 'x.com' }))?.api).toBe('any')
})
