import { expect, test } from 'vitest'
import { CurrentTable } from '../../../gateway/config/current-table.ts'
import { TableAdopter } from '../../../gateway/config/table-adopter.ts'
import { LiveUpstreams } from '../../../gateway/upstream/live-upstreams.ts'
import { Deadlines } from '../../../gateway/deadlines.ts'
import { Connections } from '../../../gateway/upstream/connections.ts'
import { Random } from '../../../shared/random.ts'
import { api, targets } from '../support/definitions.ts'

function adopter(): { readonly current: CurrentTable; readonly adopter: TableAdopter } {
  const current = new CurrentTable()
  const deadlines = new Deadlines(() => performance.now())
  const upstreams = new LiveUpstreams(new Connections(deadlines), {
    random: new Random(1),
    now: () => 0,
    watchTargets: () => () => {},
    discover: () => {
      throw new Error('nothing is discovered here')
    },
  })
  return { current, adopter: new TableAdopter(current, upstreams) }
}

function textOf(definition: object): string {
  return JSON.stringify({ ...definition, revision: 1, createdRevision: 1 })
}

const GOOD = textOf(api('good', '/good', targets('http://h:1')))

test('a definition that stops the compiler keeps only itself out', () => {
  const { current, adopter: it } = adopter()
  const broken = textOf({ kind: 'Api', name: 'broken', spec: null })
  expect(it.adopt([broken, GOOD], [])).toEqual([
    { kind: 'Api', name: 'broken', reason: expect.stringContaining('cannot be compiled') },
  ])
  expect(current.table.routeCount).toBe(1)
  expect(it.adopt([textOf(api('broken', '/mended', targets('http://h:1')))], [])).toEqual([])
  expect(current.table.routeCount).toBe(2)
})

test('a text that is no JSON is quarantined by the name that it shows', () => {
  const { current, adopter: it } = adopter()
  const quarantined = it.adopt(['{"kind":"Api","name":"torn","spec":{', GOOD], [])
  expect(quarantined).toMatchObject([{ kind: 'Api', name: 'torn' }])
  expect(current.table.routeCount).toBe(1)
  expect(it.adopt([], [{ kind: 'Api', name: 'torn' }])).toEqual([])
})

test('an empty config is a config', () => {
  const { current, adopter: it } = adopter()
  expect(current.hasConfig).toBe(false)
  it.adopt([], [])
  expect(current.hasConfig).toBe(true)
})
