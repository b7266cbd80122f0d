import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RouteSpec } from '../../../shared/definitions/api.ts'
import { cookieValue, compileKeySource, keyOf } from '../../../shared/routing/request-key.ts'
import { branchByCondition, branchByWeight } from '../../../shared/routing/split.ts'
import {
  applyChanges,
  compileTable,
  EMPTY_TABLE,
  explain,
  matchRoute,
  upstreamOf,
} from '../../../shared/routing/table.ts'
import type { CompiledRoute, Definition, RequestView } from '../../../shared/routing/types.ts'

const INLINE = { targets: [{ url: 'http://127.0.0.1:1' }] }

function request(headers: Readonly<Record<string, string>> = {}, query = ''): RequestView {
  return { method: 'GET', host: '', path: '/a', query, header: (name) => headers[name] }
}

function upstream(name: string): Definition {
  return { kind: 'Upstream', name, spec: INLINE, revision: 1, createdRevision: 1 }
}

function apiWith(route: Partial<RouteSpec>): Definition {
  const spec = { routes: [{ path: '/', ...route }] }
  return { kind: 'Api', name: 'x', spec, revision: 1, createdRevision: 1 }
}

function compiled(route: Partial<RouteSpec>): CompiledRoute {
  const result = compileTable([upstream('a'), upstream('b'), apiWith(route)])
  if (!result.ok) throw new Error(JSON.stringify(result.issues))
  return matchRoute(result.table, request()) as CompiledRoute
}

describe('a cookie', () => {
  test.for([
    ['a=1', '1'],
    ['b=2; a=1', '1'],
    ['b=2;a=1;a=3', '1'],
    ['aa=2; xa=3; a=1', '1'],
    ['b=a=7; a = 2; a=1', '1'],
    ['b=2, a=1', '1'],
    ['a=', ''],
    ['b=2', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const)('of %j is %j', ([header, value]) => {
    expect(cookieValue(header, 'a')).toBe(value)
  })

  test('is found in every list of them', () => {
    const name = fc.constantFrom('a', 'b', 'aa', 'ab', 'ba')
    const value = fc.stringMatching(/^[a-z=]{0,4}$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), (pairs) => {
        const header = pairs.map((pair) => pair.join('=')).join('; ')
        expect(cookieValue(header, 'a')).toBe(pairs.find(([key]) => key === 'a')?.[1])
      }),
    )
  })
})

test.for([
  [{ header: 'X-Tenant' }, 'h'],
  [{ cookie: 'c' }, '1'],
  [{ query: 'q' }, 'z'],
  [{ path: true }, '/a'],
] as const)('a key by %j', ([spec, key]) => {
  const source = compileKeySource(spec)
  const asked = request({ 'x-tenant': 'h', cookie: 'c=1' }, 'q=z&q=y')
  expect(source === null ? null : keyOf(source, asked)).toBe(key)
  expect(compileKeySource({ client: true })).toBeNull()
})

describe('a split', () => {
  const CANARY = {
    split: {
      branches: [
        { upstream: 'b', when: { headers: { 'X-Canary': 'yes' } } },
        { upstream: 'b', weight: 1, when: { cookies: { canary: { present: true } } } },
        { upstream: 'a', weight: 3 },
      ],
    },
  }

  test('goes by header and cookie first, and by weight otherwise', () => {
    const { split } = compiled(CANARY)
    if (split === null) throw new Error('no split')
    const taken = (headers: Readonly<Record<string, string>>) =>
      branchByCondition(split, request(headers))?.upstreamKey ?? null
    expect(taken({ 'x-canary': 'yes' })).toBe('Upstream/b')
    expect(taken({ 'x-canary': 'no' })).toBeNull()
    expect(taken({ cookie: 'canary=1' })).toBe('Upstream/b')
    expect(taken({})).toBeNull()
    const points = [0, 0.24, 0.26, 0.999999]
    const keys = points.map((point) => branchByWeight(split, point)?.upstreamKey)
    expect(keys).toEqual(
      ['Upstream/b', 'Upstream/a', 'Upstream/a', 'Upstream/a'].toSpliced(1, 1, 'Upstream/b'),
    )
  })

  test('is told by explain: the branch that a request asks for, or all of them', () => {
    const result = compileTable([upstream('a'), upstream('b'), apiWith(CANARY)])
    if (!result.ok) throw new Error('does not compile')
    const told = (headers: Readonly<Record<string, string>>) =>
      explain(result.table, request(headers)).matched?.upstream
    expect(told({ 'x-canary': 'yes' })).toBe('Upstream/b')
    expect(told({})).toBe('Upstream/b x0 when x-canary | Upstream/b x1 when canary | Upstream/a x3')
  })

  test('may have upstreams written inline, each under a key of its own', () => {
    const definition = apiWith({
      split: { branches: [{ upstream: INLINE }, { upstream: INLINE }] },
      mirror: { upstream: INLINE },
    })
    const result = compileTable([definition])
    if (!result.ok) throw new Error(JSON.stringify(result.issues))
    const route = matchRoute(result.table, request()) as CompiledRoute
    expect(route.upstreamKey).toBe('Api/x/0/split/0')
    expect(route.split?.branches.map(({ upstreamKey }) => upstreamKey)).toEqual([
      'Api/x/0/split/0',
      'Api/x/0/split/1',
    ])
    expect(route.mirror).toEqual({ upstreamKey: 'Api/x/0/mirror', share: 1 })
    for (const key of ['Api/x/0/split/0', 'Api/x/0/split/1', 'Api/x/0/mirror']) {
      expect(upstreamOf(result.table, key)?.key).toBe(key)
    }
  })

  test('keeps the Upstreams that it names from being deleted, and needs them', () => {
    const all = [upstream('a'), upstream('b'), apiWith({ ...CANARY, mirror: { upstream: 'c' } })]
    const missing = applyChanges(
      EMPTY_TABLE,
      all.map((definition) => ({ op: 'put', definition }) as const),
    )
    expect(missing).toMatchObject({
      ok: false,
      issues: [
        {
          path: 'spec.routes.0.mirror.upstream',
          message: expect.stringMatching(/^no Upstream "c"/),
        },
      ],
    })
    const whole = compileTable([...all, upstream('c')])
    if (!whole.ok) throw new Error('does not compile')
    for (const [name, path] of [
      ['b', 'spec.routes.0.split.branches.0.upstream'],
      ['c', 'spec.routes.0.mirror.upstream'],
    ] as const) {
      const deleted = applyChanges(whole.table, [{ op: 'delete', kind: 'Upstream', name }])
      expect(deleted).toMatchObject({
        ok: false,
        issues: expect.arrayContaining([expect.objectContaining({ path })]),
      })
    }
  })

  test('with a pattern that cannot be compiled is refused with its path', () => {
    const branches = [{ upstream: 'a', weight: 1, when: { headers: { x: { regex: '(' } } } }]
    const result = compileTable([upstream('a'), apiWith({ split: { branches } })])
    expect(result.ok ? [] : result.issues.map(({ path }) => path)).toEqual([
      'spec.routes.0.split.branches.0.when.headers.x.regex',
    ])
  })
})
