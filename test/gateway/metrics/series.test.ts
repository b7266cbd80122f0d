// Goal: counters by name lose nothing, whoever writes them and whatever happens to the names. Method: random steps on
// real shared memory beside a Map that is too simple to be wrong.
import { array, assert, constant, constantFrom, oneof, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { makeSeries, OTHER, SeriesTable, sumSeries } from '../../../gateway/metrics/series.ts'

const SHAPE = { seriesMax: 5, slots: 2 }

function count(table: SeriesTable, name: string, amount: number): void {
  const place = table.place(name)
  table.values[place] = (table.values[place] ?? 0) + amount
  table.values[place + 1] = (table.values[place + 1] ?? 0) + 1
}

test('names of all workers come together; what has no room is counted as other', () => {
  const memory = makeSeries(2, SHAPE)
  const [first, second] = [new SeriesTable(memory, 0, SHAPE), new SeriesTable(memory, 1, SHAPE)]
  for (const name of ['a/0', 'b/0', 'c/0', 'd/0', 'e/0', 'f/0']) count(first, name, 1)
  count(second, 'f/0', 10)
  count(second, 'a/0', 10)
  const sums = sumSeries(memory, SHAPE)
  expect(Object.fromEntries([...sums].map(([name, [value]]) => [name, value]))).toEqual({
    [OTHER]: 2,
    'a/0': 11,
    'b/0': 1,
    'c/0': 1,
    'd/0': 1,
    'f/0': 10,
  })
  expect([...sums.keys()][0]).toBe(OTHER)
})

test('a worker that takes over goes on where the one before stopped', () => {
  const memory = makeSeries(1, SHAPE)
  const dead = new SeriesTable(memory, 0, SHAPE)
  count(dead, 'a/0', 1)
  count(dead, 'b/0', 2)
  const next = new SeriesTable(memory, 0, SHAPE)
  count(next, 'b/0', 3)
  count(next, 'c/0', 4)
  const sums = sumSeries(memory, SHAPE)
  expect(['a/0', 'b/0', 'c/0'].map((name) => sums.get(name)?.[0])).toEqual([1, 5, 4])
})

test('a name that is too long is counted as other', () => {
  const memory = makeSeries(1, SHAPE)
  const table = new SeriesTable(memory, 0, SHAPE)
  count(table, 'x'.repeat(81), 1)
  count(table, 'x'.repeat(80), 2)
  const sums = sumSeries(memory, SHAPE)
  expect([sums.get(OTHER)?.[0], sums.get('x'.repeat(80))?.[0]]).toEqual([1, 2])
})

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const step = oneof(
  {
    weight: 8,
    arbitrary: record({ do: constant('count'), name: constantFrom(...NAMES) }),
  },
  {
    weight: 1,
    arbitrary: record({ do: constant('forget'), name: constantFrom(...NAMES) }),
  },
  { weight: 1, arbitrary: record({ do: constant('take over'), name: constant('') }) },
)

test('whatever happens, every count is in exactly one series', () => {
  assert(
    property(array(step, { maxLength: 200 }), (steps) => {
      const memory = makeSeries(1, SHAPE)
      let table = new SeriesTable(memory, 0, SHAPE)
      const model = new Map<string, number>([[OTHER, 0]])
      for (const { do: what, name } of steps) {
        if (what === 'take over') table = new SeriesTable(memory, 0, SHAPE)
        else if (what === 'forget') {
          table.forget((known) => known !== name)
          model.set(OTHER, (model.get(OTHER) ?? 0) + (model.get(name) ?? 0))
          model.delete(name)
        } else {
          count(table, name, 1)
          const isRoom = model.has(name) || model.size < SHAPE.seriesMax
          const place = isRoom ? name : OTHER
          model.set(place, (model.get(place) ?? 0) + 1)
        }
        expect(table.isFull).toBe(model.size === SHAPE.seriesMax)
      }
      const sums = sumSeries(memory, SHAPE)
      expect(new Map([...sums].map(([name, [value]]) => [name, value]))).toEqual(model)
      for (const [value, times] of sums.values()) expect(value).toBe(times)
    }),
  )
})
