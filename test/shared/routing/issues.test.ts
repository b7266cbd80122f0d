import { expect, test } from 'vitest'
import type { ApiSpec, RouteSpec } from '../../../shared/definitions/api.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { applyChanges, compileTable, EMPTY_TABLE } from '../../../shared/routing/table.ts'
import { api, bareApi, put, remove, tableOf, upstream } from './samples.ts'

/** The issues of definitions that must not compile, each on one line. */
function issuesOf(...definitions: readonly Definition[]): string[] {
  const result = compileTable(definitions)
  return result.ok ? [] : result.issues.map(lineOf)
}

function lineOf(issue: { kind: string; name: string; path: string; message: string }): string {
  return `${issue.kind}/${issue.name} ${issue.path}: ${issue.message}`
}

function routeIssues(...routes: RouteSpec[]): string[] {
  return issuesOf(api('a', { routes })).map((line) => line.replace('Api/a spec.routes.', ''))
}

/** A plugin as a newer version may have it. */
function unknown(name: string, options: unknown = {}): {} {
  return { [name]: options }
}

test.each<[RouteSpec, string]>([
  [{ path: 'pets' }, '0.path: must begin with "/"'],
  [{ path: 'pets', match: 'exact' }, '0.path: must begin with "/"'],
  [{ path: 'pets', match: 'text-prefix' }, '0.path: must begin with "/"'],
  [{ path: 'p/{id}', match: 'template' }, '0.path: must begin with "/"'],
  [
    { path: '/pets?x=1' },
    '0.path: must not contain "?" or "#": a path ends before them; see `query`',
  ],
  [{ path: '/{id', match: 'template' }, '0.path: has a "{" at 1 that is never closed'],
  [{ path: '/id}', match: 'template' }, '0.path: has a "}" at 3 that closes nothing'],
  [{ path: '/{}', match: 'template' }, '0.path: has a parameter {} that is not {name} or {name*}'],
  [
    { path: '/{a b}', match: 'template' },
    '0.path: has a parameter {a b} that is not {name} or {name*}',
  ],
  [{ path: '/{a}/{a}', match: 'template' }, '0.path: names the parameter {a} twice'],
  [
    { path: '/{a*}/b', match: 'template' },
    '0.path: has {a*} before the end, but the rest can only come last',
  ],
  [
    { path: '/{a}{b}', match: 'template' },
    '0.path: has {b} right behind {a}, and nothing says where one ends',
  ],
  [
    { path: '(', match: 'regex' },
    '0.path: is not a regular expression that RE2 knows: missing closing ): `(`',
  ],
  [
    { path: 'x', match: 'regex', rewrite: { prefix: '/' } },
    '0.rewrite: needs an expression that begins with "^", so that there is a prefix',
  ],
  [
    { path: '/a|^/b', match: 'regex', rewrite: { prefix: '/' } },
    '0.rewrite: needs an expression that begins with "^", so that there is a prefix',
  ],
  [
    { path: '/', headers: { 'X-A': { regex: '(?=a)' } } },
    '0.headers.X-A.regex: is not a regular expression that RE2 knows: ' +
      'invalid or unsupported Perl syntax: `(?=`',
  ],
  [
    { path: '/', query: { q: { regex: '[' } } },
    '0.query.q.regex: is not a regular expression that RE2 knows: missing closing ]: `[`',
  ],
  [
    { path: '/', headers: { 'X-A': '1', 'x-a': '2' } },
    '0.headers.x-a: names a header that is already named in another case',
  ],
  [{ path: '/', plugins: unknown('no-such') }, '0.plugins.no-such: unknown plugin "no-such"'],
  [
    { path: '/', plugins: unknown('no-such', false) },
    '0.plugins.no-such: unknown plugin "no-such"',
  ],
  [
    { path: '/', plugins: unknown('constructor') },
    '0.plugins.constructor: unknown plugin "constructor"',
  ],
  [{ path: '/', upstream: 'cart' }, '0.upstream: no Upstream "cart"'],
])('a route %j is refused', (route, issue) => {
  expect(routeIssues(route)).toEqual([issue])
})

test('every issue of every definition is reported, not the first', () => {
  const bad: ApiSpec = {
    hosts: ['x.com', '.x.com', 'X.com'],
    routes: [
      { path: 'a', upstream: 'one', headers: { h: { regex: '(' } } },
      { path: '/b', plugins: unknown('auth') },
    ],
    plugins: unknown('rate-limt'),
  }
  expect(
    issuesOf(bareApi('a', bad), api('b', { upstream: 'two', routes: [{ path: 'b' }] })),
  ).toEqual([
    'Api/a spec.plugins.rate-limt: unknown plugin "rate-limt", did you mean "rate-limit"?',
    'Api/a spec.hosts.2: names the host x.com a second time',
    'Api/a spec.routes.0.path: must begin with "/"',
    expect.stringMatching(/^Api\/a spec\.routes\.0\.headers\.h\.regex: /),
    'Api/a spec.routes.1.upstream: is required: neither the route nor its Api has an upstream',
    'Api/a spec.routes.1.plugins.auth: unknown plugin "auth"',
    'Api/b spec.routes.0.path: must begin with "/"',
    'Api/a spec.routes.0.upstream: no Upstream "one"',
    'Api/b spec.upstream: no Upstream "two"',
  ])
})

test('a missing Upstream comes with what was probably meant', () => {
  const lines = issuesOf(upstream('cart'), api('a', { upstream: 'crat', routes: [{ path: '/' }] }))
  expect(lines).toEqual(['Api/a spec.upstream: no Upstream "crat", did you mean "cart"?'])
})

test('an Upstream that is needed cannot be deleted, and whoever needs it is named', () => {
  const table = tableOf(
    upstream('cart'),
    api('a', { upstream: 'cart', routes: [{ path: '/a' }] }),
    api('b', { routes: [{ path: '/b' }, { path: '/c', upstream: 'cart' }] }),
  )
  const result = applyChanges(table, [remove('Upstream', 'cart')])
  expect(result.ok ? [] : result.issues.map(lineOf)).toEqual([
    'Api/a spec.upstream: no Upstream "cart": it would be deleted, but is needed here',
    'Api/b spec.routes.1.upstream: no Upstream "cart": it would be deleted, but is needed here',
  ])
  const free = [
    remove('Upstream', 'cart'),
    remove('Api', 'a'),
    put(api('b', { routes: [{ path: '/b' }] })),
  ]
  expect(applyChanges(table, free).ok).toBe(true)
})

test('only the end of a transaction counts, not its order', () => {
  const needing = put(api('a', { upstream: 'cart', routes: [{ path: '/' }] }))
  expect(applyChanges(EMPTY_TABLE, [needing, put(upstream('cart'))]).ok).toBe(true)
  const table = tableOf(
    api('a', { routes: [{ path: '/a' }] }),
    api('b', { routes: [{ path: '/b' }] }),
  )
  const swapped = [
    put(api('a', { routes: [{ path: '/b' }] })),
    put(api('b', { routes: [{ path: '/a' }] })),
  ]
  expect(applyChanges(table, swapped).ok).toBe(true)
  expect(applyChanges(table, swapped.slice(0, 1)).ok).toBe(false)
})

test.each<[string, RouteSpec, RouteSpec]>([
  ['the same prefix', { path: '/pets' }, { path: '/pets/' }],
  ['fewer methods', { path: '/', methods: ['GET', 'PUT'] }, { path: '/', methods: ['PUT'] }],
  ['the same template', { path: '/{a}', match: 'template' }, { path: '/{b}', match: 'template' }],
  [
    'the same odd template',
    { path: '/{a}.x', match: 'template' },
    { path: '/{b}.x', match: 'template' },
  ],
  ['the same expression', { path: '^/x+', match: 'regex' }, { path: '^/x+', match: 'regex' }],
  [
    'the same header in another case',
    { path: '/', headers: { a: '1' } },
    { path: '/', headers: { A: '1' } },
  ],
  [
    'a narrower header',
    { path: '/', headers: { a: { present: true } } },
    { path: '/', headers: { a: { prefix: '1' } } },
  ],
  [
    'a narrower query parameter',
    { path: '/', query: { a: { prefix: '1' } } },
    { path: '/', query: { a: '12' } },
  ],
  [
    'what an expression takes',
    { path: '/', query: { a: { regex: '^[0-9]+$' } } },
    { path: '/', query: { a: '12' } },
  ],
])('a route with %s can never be reached', (_, first, later) => {
  const message = 'can never be reached: Api "a" route 0 takes every such request'
  expect(routeIssues(first, later)).toEqual([`1: ${message}`])
  expect(issuesOf(api('b', { routes: [later] }), api('a', { routes: [first] }))).toEqual([
    `Api/b spec.routes.0: ${message}`,
  ])
})

test.each<[string, RouteSpec, RouteSpec]>([
  ['another match', { path: '/a', match: 'exact' }, { path: '/a' }],
  ['more methods', { path: '/', methods: ['GET'] }, { path: '/', methods: ['GET', 'PUT'] }],
  ['fewer predicates', { path: '/', headers: { a: '1' } }, { path: '/' }],
  ['another header', { path: '/', headers: { a: '1' } }, { path: '/', headers: { b: '1' } }],
  [
    'a wider header',
    { path: '/', headers: { a: '1' } },
    { path: '/', headers: { a: { present: true } } },
  ],
  [
    'the absence of a header',
    { path: '/', headers: { a: { present: true } } },
    { path: '/', headers: { a: { present: false } } },
  ],
  ['method against header', { path: '/', methods: ['GET'] }, { path: '/', headers: { a: '1' } }],
])('a route with %s can be reached', (_, first, later) => {
  expect(routeIssues(first, later)).toEqual([])
})

test('a new route that takes all from an old one is an issue of the old one', () => {
  const table = tableOf(api('b', { hosts: ['x.com', 'y.com'], routes: [{ path: '/' }] }))
  const result = applyChanges(table, [
    put(api('z', { hosts: ['y.com'], routes: [{ path: '/', priority: 1 }] })),
  ])
  expect(result.ok ? [] : result.issues.map(lineOf)).toEqual([
    'Api/b spec.routes.0: can never be reached on y.com: Api "z" route 0 takes every such request',
  ])
  const elsewhere = [put(api('z', { hosts: ['.y.com'], routes: [{ path: '/', priority: 1 }] }))]
  expect(applyChanges(table, elsewhere).ok).toBe(true)
})
