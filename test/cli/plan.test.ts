import { describe, expect, test } from 'vitest'
import { planChanges, userPart } from '../../cli/plan.ts'

const definition = (name: string, url: string, more: object = {}) => ({
  kind: 'Upstream',
  name,
  spec: { targets: [{ url }] },
  ...more,
})

describe('a plan', () => {
  const standing = [
    definition('a', 'http://a', { revision: 3, createdRevision: 1 }),
    definition('b', 'http://b', { revision: 4, createdRevision: 4 }),
    definition('c', 'http://c', { revision: 5, createdRevision: 5 }),
  ]

  test('tells created, changed and unchanged, in the order of the files', () => {
    const wanted = [
      definition('d', 'http://d'),
      definition('b', 'http://new'),
      definition('a', 'http://a'),
    ]
    const plan = planChanges(wanted, standing, { prune: false })
    expect(plan.map(({ name, change }) => [name, change])).toEqual([
      ['d', 'created'],
      ['b', 'changed'],
      ['a', 'unchanged'],
    ])
  })

  test('deletes what nobody names only when it shall', () => {
    const wanted = [definition('a', 'http://a')]
    expect(planChanges(wanted, standing, { prune: false })).toHaveLength(1)
    const pruned = planChanges(wanted, standing, { prune: true })
    expect(pruned.map(({ name, change }) => [name, change])).toEqual([
      ['a', 'unchanged'],
      ['b', 'deleted'],
      ['c', 'deleted'],
    ])
  })

  test('does not mind the order of members, nor labels that are none', () => {
    const wanted = [
      {
        kind: 'Upstream',
        name: 'a',
        labels: {},
        spec: { x: 2, targets: [{ weight: 1, url: 'http://a' }] },
      },
    ]
    const same = [
      { kind: 'Upstream', name: 'a', spec: { targets: [{ url: 'http://a', weight: 1 }], x: 2 } },
    ]
    expect(planChanges(wanted, same, { prune: true })[0]?.change).toBe('unchanged')
  })

  test('minds labels and the order of lists', () => {
    const was = { kind: 'Upstream', name: 'a', labels: { team: 'x' }, spec: { list: [1, 2] } }
    const change = (wanted: typeof was): string | undefined =>
      planChanges([wanted], [was], { prune: false })[0]?.change
    expect(change({ ...was, labels: { team: 'y' } })).toBe('changed')
    expect(change({ ...was, spec: { list: [2, 1] } })).toBe('changed')
    expect(change(was)).toBe('unchanged')
  })

  test('keeps two kinds of one name apart', () => {
    const wanted = [{ kind: 'Api', name: 'a', spec: {} }]
    expect(planChanges(wanted, standing, { prune: false })[0]?.change).toBe('created')
  })
})

test('the part that users write has no numbers of the cluster', () => {
  const stored = definition('a', 'http://a', {
    revision: 3,
    createdRevision: 1,
    labels: { x: 'y' },
  })
  expect(Object.keys(userPart(stored))).toEqual(['kind', 'name', 'labels', 'spec'])
})
