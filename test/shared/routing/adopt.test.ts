import { expect, test } from 'vitest'
import {
  EMPTY_TABLE,
  matchRoute,
  upstreamOf,
  type RoutingTable,
} from '../../../shared/routing/table.ts'
import { adopt, api, put, remove, request, upstream } from './samples.ts'

const good = put(api('a', { routes: [{ path: '/old' }] }))
const bad = put(api('a', { routes: [{ path: '(', match: 'regex' }] }))

function idAt(table: RoutingTable, path: string): string | undefined {
  return matchRoute(table, request(path))?.id
}

test('a definition that cannot be used leaves its last good form in force, until a better one comes', () => {
  const { table: first } = adopt(EMPTY_TABLE, good)
  const second = adopt(first, bad, put(api('b', { routes: [{ path: '/b' }] })))
  expect(second.quarantined).toEqual([
    {
      kind: 'Api',
      name: 'a',
      reason:
        'spec.routes.0.path: is not a regular expression that RE2 knows: missing closing ): `(`',
    },
  ])
  expect(idAt(second.table, '/old')).toBe('a/0')
  expect(idAt(second.table, '/b')).toBe('b/0')

  // Other changes do not make it forgotten.
  const third = adopt(second.table, put(upstream('cart')))
  expect(third.quarantined).toEqual(second.quarantined)

  const fourth = adopt(third.table, put(api('a', { routes: [{ path: '/new' }] })))
  expect(fourth.quarantined).toEqual([])
  expect(idAt(fourth.table, '/old')).toBeUndefined()
  expect(idAt(fourth.table, '/new')).toBe('a/0')
})

test('a definition without a good form is served by nothing, and its deletion ends the quarantine', () => {
  const first = adopt(EMPTY_TABLE, bad)
  expect(first.table.routeCount).toBe(0)
  expect(first.quarantined).toHaveLength(1)
  const second = adopt(first.table, remove('Api', 'a'))
  expect(second.quarantined).toEqual([])
})

test('an Api that waits for an Upstream comes into force with it', () => {
  const waiting = put(api('a', { upstream: 'cart', routes: [{ path: '/new' }] }))
  const first = adopt(EMPTY_TABLE, good)
  const second = adopt(first.table, waiting)
  expect(second.quarantined).toEqual([
    { kind: 'Api', name: 'a', reason: 'spec.upstream: no Upstream "cart"' },
  ])
  expect(idAt(second.table, '/old')).toBe('a/0')
  const third = adopt(second.table, put(upstream('cart')))
  expect(third.quarantined).toEqual([])
  expect(idAt(third.table, '/old')).toBeUndefined()
  expect(idAt(third.table, '/new')).toBe('a/0')
})

test('an Upstream stays as long as a last good form needs it, and goes with the need', () => {
  const needing = put(api('a', { upstream: 'cart', routes: [{ path: '/old' }] }))
  const first = adopt(EMPTY_TABLE, put(upstream('cart')), needing)
  const second = adopt(first.table, bad, remove('Upstream', 'cart'))
  expect(second.quarantined.map(({ kind, name }) => `${kind}/${name}`)).toEqual([
    'Api/a',
    'Upstream/cart',
  ])
  expect(upstreamOf(second.table, 'Upstream/cart')).toBeDefined()
  expect(idAt(second.table, '/old')).toBe('a/0')
  const third = adopt(second.table, put(api('a', { routes: [{ path: '/new' }] })))
  expect(third.quarantined).toEqual([])
  expect(third.upstreamsChanged).toContain('Upstream/cart')
  expect(upstreamOf(third.table, 'Upstream/cart')).toBeUndefined()
})

test('the order within a change does not matter to a gateway either', () => {
  const needing = put(api('a', { upstream: 'cart', routes: [{ path: '/' }] }))
  expect(adopt(EMPTY_TABLE, needing, put(upstream('cart'))).quarantined).toEqual([])
})

test('a route that can never be reached is no reason to refuse the rest of its Api', () => {
  const { table, quarantined } = adopt(
    EMPTY_TABLE,
    put(api('a', { routes: [{ path: '/' }] })),
    put(api('b', { routes: [{ path: '/' }, { path: '/b' }] })),
  )
  expect(quarantined).toEqual([])
  expect(idAt(table, '/x')).toBe('a/0')
  expect(idAt(table, '/b')).toBe('b/1')
})
