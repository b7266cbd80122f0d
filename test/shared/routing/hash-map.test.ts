import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashOf } from '../../../shared/routing/bytes.ts'
import {
  find,
  newEdit,
  sizeOf,
  update,
  valuesOf,
  type Edit,
  type HashMap,
} from '../../../shared/routing/hash-map.ts'

type Named = { readonly name: string; readonly value: number }

/** Few hashes, so that names share them and wrap around the end of a shard. */
function badHash(name: string): number {
  return name.length === 0 ? -1 : (name.charCodeAt(0) & 3) - 2
}

type Setting = { readonly name: string; readonly value: number | undefined }

function set(map: HashMap<Named>, to: Setting, hash: number, edit: Edit): HashMap<Named> {
  const isMeant = (each: Named) => each.name === to.name
  const { name, value } = to
  return update(map, { hash, isMeant }, () => (value === undefined ? value : { name, value }), edit)
}

function valueOf(map: HashMap<Named>, name: string, hash: number): number | undefined {
  return find(map, hash, (each) => each.name === name)?.value
}

function sorted(all: Iterable<Named>): Named[] {
  return [...all].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

const name = fc.string({ maxLength: 2, unit: fc.constantFrom('a', 'b', 'c', 'd', 'e') })
const step = fc.record({ name, value: fc.option(fc.nat(9), { nil: undefined, freq: 3 }) })
/** Steps that share one right to change in place. */
const batches = fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 6 })

test.each([
  ['names that share hashes', badHash],
  ['names that hardly do', hashOf],
])(
  'a map of %s holds what a Map holds, and every earlier one still holds what it held',
  (_, hashOf) => {
    fc.assert(
      fc.property(batches, (batches) => {
        let map: HashMap<Named> = null
        const model = new Map<string, Named>()
        const history: { map: HashMap<Named>; expected: Named[] }[] = []
        for (const batch of batches) {
          const edit = newEdit()
          for (const { name, value } of batch) {
            map = set(map, { name, value }, hashOf(name), edit)
            if (value === undefined) model.delete(name)
            else model.set(name, { name, value })
            expect(valueOf(map, name, hashOf(name))).toBe(value)
          }
          history.push({ map, expected: sorted(model.values()) })
        }
        for (const { map, expected } of history) {
          expect(sorted(valuesOf(map))).toEqual(expected)
          expect(sizeOf(map)).toBe(expected.length)
          expect(map === null).toBe(expected.length === 0)
          for (const { name, value } of expected)
            expect(valueOf(map, name, hashOf(name))).toBe(value)
        }
      }),
      { numRuns: 500 },
    )
  },
)

// Goal: everything holds across the size at which a map is cut into shards, on the way up and down.
test('a large map holds what it was given, and loses what is taken away', () => {
  const names = Array.from({ length: 5_000 }, (_, at) => `name-${at}`)
  let map: HashMap<Named> = null
  const edit = newEdit()
  for (const [value, name] of names.entries()) map = set(map, { name, value }, hashOf(name), edit)
  const full = map
  for (const name of names.slice(100)) {
    map = set(map, { name, value: undefined }, hashOf(name), newEdit())
  }
  expect(sizeOf(full)).toBe(5_000)
  expect(names.map((name) => valueOf(full, name, hashOf(name)))).toEqual([...names.keys()])
  expect(sorted(valuesOf(map)).map((each) => each.name)).toEqual(names.slice(0, 100).toSorted())
  for (const name of names.slice(0, 100)) {
    map = set(map, { name, value: undefined }, hashOf(name), newEdit())
  }
  expect(map).toBeNull()
})

test('a change that changes nothing gives the same map', () => {
  const map = set(null, { name: 'a', value: 1 }, 7, newEdit())
  const same = update(map, { hash: 7, isMeant: () => true }, (before) => before, newEdit())
  expect(same).toBe(map)
  expect(set(map, { name: 'b', value: undefined }, 7, newEdit())).toBe(map)
})

test('a change copies one shard and shares the others', () => {
  let map: HashMap<Named> = null
  for (let value = 0; value < 5_000; value++) {
    map = set(map, { name: `name-${value}`, value }, hashOf(`name-${value}`), newEdit())
  }
  const before = new Set(map?.shards)
  const after = set(map, { name: 'name-777', value: -1 }, hashOf('name-777'), newEdit())
  expect(after?.shards.filter((shard) => !before.has(shard))).toHaveLength(1)
})
