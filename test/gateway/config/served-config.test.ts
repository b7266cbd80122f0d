import { expect, test } from 'vitest'
import { ConfigHash } from '../../../shared/config-hash.ts'
import { ServedConfig } from '../../../gateway/config/served-config.ts'
import type { Delta } from '../../../gateway/config/mirror.ts'

const A1 = text('a', 1)
const A2 = text('a', 2)
const A3 = text('a', 3)
const B1 = text('b', 1)
const QUARANTINED = [{ kind: 'Api', name: 'a', reason: 'cannot' }] as const

function text(name: string, revision: number): string {
  return JSON.stringify({ kind: 'Api', name, spec: {}, revision, createdRevision: 1 })
}

function move(served: ServedConfig, ...texts: readonly string[]): Delta {
  const hash = new ConfigHash()
  for (const each of texts) hash.add(each)
  const revision = (served.mirror.revision ?? 0) + 1
  const stepped = served.mirror.snapshot({ revision, hash: hash.toHex(), texts })
  if (!stepped.ok) throw new Error(stepped.reason)
  return stepped.delta
}

/** A config with a and b in force, and acknowledged. */
function settled(): ServedConfig {
  const served = new ServedConfig()
  expect(served.step(move(served, A1, B1), new Map())).toEqual({ puts: [A1, B1], deletes: [] })
  served.acknowledged([])
  return served
}

test('what can be used is passed on, and is the whole for a new worker', () => {
  expect(settled().whole()).toEqual([{ puts: [A1, B1], deletes: [] }])
})

test('what the schemas refuse is held back, and its last good form stands in', () => {
  const served = settled()
  const change = served.step(move(served, A2, B1), new Map([['Api/a', 'too new']]))
  expect(change).toEqual({ puts: [], deletes: [] })
  served.acknowledged([])
  expect(served.quarantined).toEqual([{ kind: 'Api', name: 'a', reason: 'too new' }])
  expect(served.whole()).toEqual([{ puts: [B1, A1], deletes: [] }])
  expect(served.saved()?.texts.get('Api/a')).toBe(A2)
  expect(served.saved()?.inForce.get('Api/a')).toBe(A1)

  expect(served.step(move(served, A3, B1), new Map())).toEqual({ puts: [A3], deletes: [] })
  expect(served.acknowledged([])).toBe(true)
  expect(served.quarantined).toEqual([])
  expect(served.whole()).toEqual([{ puts: [A3, B1], deletes: [] }])
})

test('what the workers cannot compile is given to a new worker after its last good form', () => {
  const served = settled()
  served.step(move(served, A2, B1), new Map())
  expect(served.acknowledged(QUARANTINED)).toBe(true)
  expect(served.whole()).toEqual([
    { puts: [B1, A1], deletes: [] },
    { puts: [A2], deletes: [] },
  ])
  // A further form that does not compile either: the good one stays the good one.
  served.step(move(served, A3, B1), new Map())
  served.acknowledged(QUARANTINED)
  expect(served.whole()[0]?.puts).toEqual([B1, A1])
})

test('a form that never was in force does not stand in for a later one', () => {
  const served = new ServedConfig()
  served.step(move(served, A1), new Map())
  served.acknowledged(QUARANTINED)
  served.step(move(served, A2), new Map())
  served.acknowledged(QUARANTINED)
  expect(served.saved()?.inForce.size).toBe(0)
  expect(served.whole()).toEqual([
    { puts: [], deletes: [] },
    { puts: [A2], deletes: [] },
  ])
})

test('a deletion that has to wait keeps the form that is still needed', () => {
  const served = settled()
  served.step(move(served, B1), new Map())
  served.acknowledged(QUARANTINED)
  expect(served.whole()).toEqual([
    { puts: [B1, A1], deletes: [] },
    { puts: [], deletes: [{ kind: 'Api', name: 'a' }] },
  ])
  expect(served.acknowledged([])).toBe(true)
  expect(served.whole()).toEqual([{ puts: [B1], deletes: [] }])
})
