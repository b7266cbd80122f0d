// Goal: the checker finds each kind of fault of a watch, and nothing in what is right. Method: one stream a fault, then
// random streams, whole and spoilt, against a second implementation that writes down what must come next.
import { describe, expect, test } from 'vitest'
import { ConfigHash } from '../../shared/config-hash.ts'
import type { DefinitionChange } from '../../shared/changes.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { Random } from '../../shared/random.ts'
import type { WatchLine } from '../../shared/watch-protocol.ts'
import { checkWatch, type Truth, type WatchEvent } from './watch-history.ts'

function upstream(name: string, revision: number): Definition {
  const targets = [{ url: `http://127.0.0.1:${9_000 + revision}`, weight: 1 }]
  const spec = { balance: 'round-robin', targets }
  return { kind: 'Upstream', name, spec, revision, createdRevision: 1 } as Definition
}

const put = (name: string, revision: number): DefinitionChange => ({
  op: 'put',
  definition: upstream(name, revision),
})

const truth: Truth = {
  changes: [
    { revision: 1, changes: [put('a', 1)] },
    { revision: 2, changes: [put('b', 2), put('c', 2)] },
    { revision: 3, changes: [{ op: 'delete', kind: 'Upstream', name: 'a' }] },
    { revision: 4, changes: [put('b', 4)] },
    { revision: 5, changes: [put('d', 5)] },
  ],
}

/** By walking through everything: slow, and another way than the checker's. */
function configAt(revision: number): Definition[] {
  const config: Definition[] = []
  for (const { revision: at, changes } of truth.changes) {
    if (at > revision) break
    for (const change of changes) {
      const { name } = change.op === 'put' ? change.definition : change
      const place = config.findIndex((definition) => definition.name === name)
      if (place !== -1) config.splice(place, 1)
      if (change.op === 'put') config.push(change.definition)
    }
  }
  return config
}

function hashOf(config: readonly Definition[]): string {
  const sum = new ConfigHash()
  for (const definition of config) sum.add(JSON.stringify(definition))
  return sum.toHex()
}

const line = (each: WatchLine, committed: number | null = null): WatchEvent => ({
  type: 'line',
  line: each,
  committed,
})

const open = (from: number | null): WatchEvent => ({ type: 'open', from })

function snapshot(revision: number): WatchEvent[] {
  const config = configAt(revision)
  return [
    line({ type: 'snapshot', revision, count: config.length }),
    ...config.map((definition) => line({ type: 'definition', definition })),
    line({ type: 'snapshot-end', revision, hash: hashOf(config) }),
  ]
}

function change(revision: number, more: { hash?: string; committed?: number } = {}): WatchEvent {
  const { changes } = truth.changes[revision - 1]!
  const hash = more.hash ?? hashOf(configAt(revision))
  return line({ type: 'change', revision, hash, changes }, more.committed ?? null)
}

const bookmark = (revision: number) => line({ type: 'bookmark', revision })
const compacted = (revision: number) => line({ type: 'compacted', revision })

const GOOD: Readonly<Record<string, readonly WatchEvent[]>> = {
  'a snapshot and changes': [open(null), ...snapshot(2), bookmark(2), change(3), change(4)],
  'an empty snapshot': [open(null), ...snapshot(0), change(1)],
  'a stream that resumes': [open(null), ...snapshot(1), change(2), open(2), change(3), bookmark(3)],
  'a bookmark first': [open(null), ...snapshot(1), open(1), bookmark(1), change(2)],
  'everything from the beginning': [open(0), change(1), change(2)],
  'a snapshot instead of what is compacted': [
    open(null),
    ...snapshot(1),
    open(1),
    compacted(3),
    ...snapshot(4),
    change(5),
  ],
  'a snapshot that was cut off, and then whole': [
    open(null),
    ...snapshot(2).slice(0, 2),
    open(null),
    ...snapshot(3),
  ],
  'a watcher that forgot': [
    open(null),
    ...snapshot(4),
    { type: 'forgot' },
    open(null),
    ...snapshot(3),
  ],
  'an end with a reason': [
    open(null),
    ...snapshot(1),
    line({ type: 'closed', code: 'STOPPING', reason: 'x' }),
    open(1),
    change(2),
  ],
}

const wrongHash = 'f'.repeat(64)
const BAD: readonly (readonly [string, RegExp, readonly WatchEvent[]])[] = [
  ['a gap', /a gap/, [open(null), ...snapshot(1), change(3)]],
  ['a gap at a resume', /a gap/, [open(null), ...snapshot(1), open(1), change(3)]],
  ['a repeat', /again/, [open(null), ...snapshot(1), change(2), change(2)]],
  ['a repeat at a resume', /again/, [open(null), ...snapshot(1), change(2), open(2), change(2)]],
  ['a step back', /revision 2 after 3/, [open(null), ...snapshot(3), change(2)]],
  [
    'a change that was not committed yet',
    /future/,
    [open(null), ...snapshot(1), change(2, { committed: 1 })],
  ],
  [
    'a change that was never committed',
    /future/,
    [
      open(null),
      ...snapshot(5),
      line({ type: 'change', revision: 6, hash: hashOf([]), changes: [put('x', 6)] }),
    ],
  ],
  [
    'another change than was committed',
    /not what was committed/,
    [
      open(null),
      ...snapshot(1),
      line({ type: 'change', revision: 2, hash: hashOf(configAt(2)), changes: [put('b', 2)] }),
    ],
  ],
  ['a bookmark ahead of its events', /ahead/, [open(null), ...snapshot(1), bookmark(2), change(2)]],
  ['a bookmark behind', /after revision 3/, [open(null), ...snapshot(3), bookmark(2)]],
  ['a snapshot with a definition too few', /has 1/, [open(null), ...snapshot(2).toSpliced(1, 2)]],
  [
    'a snapshot of another revision',
    /not the config at 3/,
    [open(null), ...snapshot(2).with(0, line({ type: 'snapshot', revision: 3, count: 3 }))],
  ],
  [
    'a snapshot with a definition twice',
    /twice/,
    [open(null), ...snapshot(2).toSpliced(1, 0, snapshot(2)[1]!)],
  ],
  [
    'a snapshot that nobody asked for',
    /not asked for/,
    [open(null), ...snapshot(2), ...snapshot(3)],
  ],
  [
    'a snapshot from the past after a compaction',
    /takes the watcher back/,
    [open(null), ...snapshot(3), open(3), compacted(1), ...snapshot(2)],
  ],
  ['a change before the snapshot', /out of place/, [open(null), change(1)]],
  [
    'a change inside of a snapshot',
    /out of place/,
    [open(null), ...snapshot(2).slice(0, 2), change(3)],
  ],
  [
    'a wrong hash with a change',
    /config hash/,
    [open(null), ...snapshot(1), change(2, { hash: wrongHash })],
  ],
  [
    'a wrong hash with a snapshot',
    /config hash/,
    [
      open(null),
      ...snapshot(1).with(2, line({ type: 'snapshot-end', revision: 1, hash: wrongHash })),
    ],
  ],
  [
    'a line after the end',
    /after the end/,
    [open(null), ...snapshot(1), line({ type: 'closed', code: 'STOPPING', reason: '' }), change(2)],
  ],
  [
    'a resume from what the watcher does not have',
    /resumes from 3/,
    [open(null), ...snapshot(1), open(3)],
  ],
  [
    'a resume after forgetting',
    /has nothing/,
    [open(null), ...snapshot(1), { type: 'forgot' }, open(1)],
  ],
]

describe('by hand', () => {
  test.each(Object.entries(GOOD))('%s is right', (_, events) => {
    expect(checkWatch(events, truth)).toEqual([])
    expect(isRightByForce(events)).toBe(true)
  })

  test.each(BAD)('%s is not', (_, problem, events) => {
    expect(checkWatch(events, truth).join('\n')).toMatch(problem)
  })

  test('a truth may begin in the middle', () => {
    const base = { revision: 2, definitions: configAt(2) }
    const later = { base, changes: truth.changes.slice(2) }
    expect(checkWatch([open(null), ...snapshot(2), change(3)], later)).toEqual([])
    expect(checkWatch([open(null), ...snapshot(2), change(4)], later)).not.toEqual([])
  })
})

test('random streams, whole and spoilt, are judged as by writing down what must come next', () => {
  const seen = { right: 0, wrong: 0 }
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = new Random(seed)
    const events = randomStream(random)
    expect({ seed, problems: checkWatch(events, truth) }).toEqual({ seed, problems: [] })
    const spoilt = spoil(events, random)
    const isRight = checkWatch(spoilt, truth).length === 0
    expect({ seed, isRight }).toEqual({ seed, isRight: isRightByForce(spoilt) })
    seen[isRight ? 'right' : 'wrong']++
  }
  expect(Math.min(seen.right, seen.wrong)).toBeGreaterThan(200)
})

function randomStream(random: Random): WatchEvent[] {
  let at = random.below(4)
  const events = [open(null), ...snapshot(at)]
  for (let steps = 0; steps < 8; steps++) {
    const choice = random.below(5)
    if (choice === 0) events.push(bookmark(at))
    else if (choice === 1) events.push(open(at))
    else if (choice === 2 && at < 4) {
      events.push(open(at), compacted(at + 1))
      at += 1 + random.below(5 - at)
      events.push(...snapshot(at))
    } else if (at < 5) events.push(change(++at))
  }
  return events
}

/** Takes a line away, puts one twice, or exchanges two neighbours. */
function spoil(events: readonly WatchEvent[], random: Random): WatchEvent[] {
  const at = random.below(events.length)
  const event = events[at]!
  const next = events[at + 1]
  const choice = random.below(3)
  if (choice === 0) return events.toSpliced(at, 1)
  if (choice === 1 || next === undefined) return events.toSpliced(at, 0, event)
  return events.toSpliced(at, 2, next, event)
}

/** Whether each event is one of those that may come where it stands. */
function isRightByForce(events: readonly WatchEvent[]): boolean {
  let at: number | null = null
  let arriving = 0
  let expected: string[] | 'changes' | 'first' | 'snapshot' | 'nothing' = 'nothing'
  for (const event of events) {
    if (event.type === 'forgot') {
      at = null
      expected = 'nothing'
    } else if (event.type === 'open') {
      if (event.from !== null && event.from !== (at ?? 0)) return false
      if (event.from !== null && at === null) at = 0
      expected = event.from === null ? 'first' : 'changes'
    } else {
      const { line: got } = event
      const isSnapshot =
        (expected === 'first' || expected === 'snapshot') && got.type === 'snapshot'
      if (isSnapshot) {
        if (got.revision > 5 || got.revision < (at ?? 0)) return false
        expected = snapshot(got.revision).map((each) => JSON.stringify(each))
        arriving = got.revision
      }
      if (Array.isArray(expected)) {
        // Definitions of a snapshot may come in any order.
        const place = expected.indexOf(JSON.stringify(event))
        const isOrdered =
          got.type === 'definition' || place === (got.type === 'snapshot' ? 0 : expected.length - 1)
        if (place === -1 || !isOrdered || (got.type === 'snapshot-end' && expected.length > 1))
          return false
        expected.splice(place, 1)
        if (expected.length === 0) {
          expected = 'changes'
          // Until its end a snapshot counts for nothing.
          at = arriving
        }
      } else if (got.type === 'closed') {
        expected = 'nothing'
      } else if (expected !== 'changes' || at === null) {
        return false
      } else if (got.type === 'compacted') {
        if (got.revision > 5) return false
        expected = 'snapshot'
      } else {
        const next: number = at + 1
        if (
          got.type === 'change' &&
          next <= 5 &&
          JSON.stringify(event) === JSON.stringify(change(next))
        )
          at = next
        else if (JSON.stringify(event) !== JSON.stringify(bookmark(at))) return false
      }
    }
  }
  return true
}
