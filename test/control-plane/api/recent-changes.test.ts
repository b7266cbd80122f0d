import { expect, test } from 'vitest'
import { encodeLine, RecentChanges } from '../../../control-plane/api/recent-changes.ts'
import { Random } from '../../../shared/random.ts'
import type { AppliedChange } from '../../../control-plane/ports.ts'

function changeAt(revision: number): AppliedChange {
  const hash = revision.toString(16).padStart(64, '0')
  return {
    revision,
    hash,
    atMs: 0,
    changes: [{ op: 'delete', kind: 'Api', name: `a${'x'.repeat(revision % 17)}` }],
  }
}

test('what is kept is the newest run without a gap within the bound', () => {
  const random = new Random(7)
  for (let round = 0; round < 50; round++) {
    const bytesMax = 1 + random.below(3_000)
    const start = random.below(100)
    const recent = new RecentChanges({ revision: start, hash: changeAt(start).hash }, bytesMax)
    const all: AppliedChange[] = []
    for (let i = 0; i < 120; i++) {
      const change = changeAt(start + 1 + i)
      all.push(change)
      recent.push(change)
      const floor = recent.floor.revision
      const kept = recent.since(floor) ?? []
      const bytes = kept.reduce((sum, { line }) => sum + line.length, 0)
      expect(kept.map(({ revision }) => revision)).toEqual(
        all.map(({ revision }) => revision).filter((revision) => revision > floor),
      )
      expect(bytes <= bytesMax || kept.length === 1).toBe(true)
      expect(recent.newest).toMatchObject({ revision: change.revision, hash: change.hash })
      const from = start + random.below(i + 2)
      const since = recent.since(from)
      expect(since?.map(({ revision }) => revision) ?? null).toEqual(
        from < floor ? null : all.map(({ revision }) => revision).filter((each) => each > from),
      )
      const known = from >= floor ? changeAt(from).hash : null
      expect(recent.hashAt(from)).toBe(known)
      expect(recent.hashAt(change.revision + 1)).toBeNull()
    }
  }
})

test('a line is the change as the protocol has it', () => {
  const recent = new RecentChanges({ revision: 4, hash: changeAt(4).hash }, 1_000)
  const change = changeAt(5)
  const { line } = recent.push(change)
  const { hash, changes } = change
  expect(line).toEqual(encodeLine({ type: 'change', revision: 5, hash, changes }))
  expect(line.toString()).toBe(
    `{"type":"change","revision":5,"hash":"${hash}","changes":[{"op":"delete","kind":"Api","name":"axxxxx"}]}\n`,
  )
  recent.restart({ revision: 9, hash: changeAt(9).hash })
  expect(recent.since(5)).toBeNull()
  expect(recent.since(9)).toEqual([])
})
