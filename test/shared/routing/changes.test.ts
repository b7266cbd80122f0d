import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { definitionKey } from '../../../shared/changes.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import {
  adoptChanges,
  applyChanges,
  compileTable,
  EMPTY_TABLE,
  matchRoute,
  printTable,
  upstreamOf,
  upstreams,
} from '../../../shared/routing/table.ts'
import type { DefinitionChange } from '../../../shared/routing/types.ts'
import { anyChange, anyRequest } from './arbitraries.ts'
import { api, put, remove, request, tableOf, upstream } from './samples.ts'

function keyOfChange(change: DefinitionChange): string {
  const { kind, name } = change.op === 'put' ? change.definition : change
  return definitionKey(kind, name)
}

/** What a set of definitions becomes by changes. */
function changed(
  definitions: ReadonlyMap<string, Definition>,
  changes: readonly DefinitionChange[],
): Map<string, Definition> {
  const after = new Map(definitions)
  for (const change of changes) {
    if (change.op === 'put') after.set(keyOfChange(change), change.definition)
    else after.delete(keyOfChange(change))
  }
  return after
}

const transactions = fc.array(fc.array(anyChange, { minLength: 1, maxLength: 4 }), {
  maxLength: 10,
})

// Goal: a table that came about by many changes is the table of what they come to, and no change is visible in the
// tables before it. Transactions that are refused are refused from scratch too.
test('changes give the table that compiling the outcome gives, and leave old tables as they are', () => {
  fc.assert(
    fc.property(transactions, fc.array(anyRequest, { maxLength: 5 }), (transactions, requests) => {
      let table = EMPTY_TABLE
      let definitions = new Map<string, Definition>()
      for (const changes of transactions) {
        const before = printTable(table)
        const routesBefore = requests.map((each) => matchRoute(table, each))
        const result = applyChanges(table, changes)
        expect(printTable(table)).toBe(before)
        expect(requests.map((each) => matchRoute(table, each))).toEqual(routesBefore)

        const outcome = changed(definitions, changes)
        const fresh = compileTable(outcome.values())
        expect(result.ok).toBe(fresh.ok)
        if (!result.ok || !fresh.ok) continue
        expect(printTable(result.table)).toBe(printTable(fresh.table))
        expect(result.table.definitionCount).toBe(outcome.size)
        for (const each of requests) {
          expect(matchRoute(result.table, each)?.id).toBe(matchRoute(fresh.table, each)?.id)
        }
        table = result.table
        definitions = outcome
      }
    }),
    { numRuns: 300 },
  )
})

test('taking everything away again leaves the empty table', () => {
  fc.assert(
    fc.property(fc.array(anyChange, { maxLength: 12 }), (changes) => {
      const { table } = adoptChanges(EMPTY_TABLE, changes)
      const all = ['a', 'b', 'b.c', 'd'].map((name) => remove('Api', name))
      const after = adoptChanges(table, [
        remove('Upstream', 'one'),
        remove('Upstream', 'two'),
        ...all,
      ])
      expect(after.quarantined).toEqual([])
      const memos = { upstreamMemo: null, hostMemo: null }
      expect({ ...after.table, ...memos }).toEqual({ ...EMPTY_TABLE, ...memos })
    }),
    { numRuns: 200 },
  )
})

test('upstreams changed are those put or removed, and not those that stayed the same', () => {
  const first = applyChanges(EMPTY_TABLE, [
    put(
      api('a', {
        routes: [{ path: '/' }, { path: '/x', upstream: { targets: [{ url: 'http://h' }] } }],
      }),
    ),
    put(upstream('cart')),
  ])
  if (!first.ok) throw new Error('compiles')
  expect(first.upstreamsChanged).toEqual(['Api/a', 'Api/a/1', 'Upstream/cart'])

  const second = applyChanges(first.table, [
    put({ ...upstream('cart'), labels: { a: 'b' }, revision: 7 }),
    put(api('a', { routes: [{ path: '/y' }] })),
  ])
  if (!second.ok) throw new Error('compiles')
  expect(second.upstreamsChanged).toEqual(['Api/a/1'])
  expect(upstreamOf(second.table, 'Api/a')).toBe(upstreamOf(first.table, 'Api/a'))

  const third = adoptChanges(second.table, [remove('Api', 'a'), put(upstream('cart', 9002))])
  expect(third.upstreamsChanged.toSorted()).toEqual(['Api/a', 'Upstream/cart'])
  expect([...upstreams(third.table)].map(({ key }) => key)).toEqual(['Upstream/cart'])
})

test('a route that a change does not touch stays the same object', () => {
  const spec = { routes: [{ path: '/a' }, { path: '/b' }] }
  const before = tableOf(api('a', spec))
  const after = applyChanges(before, [put(api('a', { routes: [{ path: '/a' }, { path: '/c' }] }))])
  if (!after.ok) throw new Error('compiles')
  expect(matchRoute(after.table, request('/a'))).toBe(matchRoute(before, request('/a')))
  expect(matchRoute(after.table, request('/b'))).toBeNull()
})

test('an Upstream is resolved by the table that is asked, not by the route', () => {
  const before = tableOf(
    upstream('cart', 9001),
    api('a', { upstream: 'cart', routes: [{ path: '/' }] }),
  )
  const key = matchRoute(before, request('/'))?.upstreamKey ?? ''
  expect(upstreamOf(before, key)?.targets[0]?.port).toBe(9001)
  const after = applyChanges(before, [put(upstream('cart', 9002))])
  if (!after.ok) throw new Error('compiles')
  expect(upstreamOf(after.table, key)?.targets[0]?.port).toBe(9002)
  expect(upstreamOf(before, key)?.targets[0]?.port).toBe(9001)
  expect(upstreamOf(after.table, 'Upstream/other')).toBeUndefined()
})

test('counts are of routes whatever their hosts, and of definitions', () => {
  const spec = { hosts: ['x.com', '.y.com'], routes: [{ path: '/a' }, { path: '/b' }] }
  const table = tableOf(upstream('cart'), api('a', spec), api('b', { routes: [{ path: '/' }] }))
  expect(table.routeCount).toBe(3)
  expect(table.definitionCount).toBe(3)
})
