import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DefinitionChange } from '../../../shared/changes.ts'
import { ConfigHash } from '../../../shared/config-hash.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { Mirror } from '../../../gateway/config/mirror.ts'
import { nameOfText } from '../../../gateway/config/definition-text.ts'

function definition(name: string, path: string, revision: number): Definition {
  return {
    kind: 'Api',
    name,
    spec: { routes: [{ path }], upstream: 'u' },
    revision,
    createdRevision: 1,
  }
}

function hashOf(texts: Iterable<string>): string {
  const hash = new ConfigHash()
  for (const text of texts) hash.add(text)
  return hash.toHex()
}

function text(...parts: Parameters<typeof definition>): string {
  return JSON.stringify(definition(...parts))
}

function filled(...texts: readonly string[]): Mirror {
  const mirror = new Mirror()
  const stepped = mirror.snapshot({ revision: 1, hash: hashOf(texts), texts })
  expect(stepped.ok).toBe(true)
  return mirror
}

test('a snapshot fills an empty mirror', () => {
  const [a, b] = [text('a', '/a', 1), text('b', '/b', 1)]
  const mirror = new Mirror()
  const stepped = mirror.snapshot({ revision: 7, hash: hashOf([a, b]), texts: [a, b] })
  expect(stepped).toEqual({
    ok: true,
    delta: { revision: 7, hash: hashOf([a, b]), puts: [a, b], deletes: [], before: new Map() },
  })
  expect(mirror.revision).toBe(7)
})

test('a later snapshot is only what differs', () => {
  const [a, b, c, a2] = [
    text('a', '/a', 1),
    text('b', '/b', 1),
    text('c', '/c', 2),
    text('a', '/x', 2),
  ]
  const mirror = filled(a, b)
  const stepped = mirror.snapshot({ revision: 9, hash: hashOf([a2, c]), texts: [a2, c] })
  expect(stepped.ok && stepped.delta.puts).toEqual([a2, c])
  expect(stepped.ok && stepped.delta.deletes).toEqual([{ kind: 'Api', name: 'b' }])
  expect(stepped.ok && [...stepped.delta.before]).toEqual([
    ['Api/a', a],
    ['Api/b', b],
  ])
})

test('a snapshot with a wrong hash changes nothing', () => {
  const a = text('a', '/a', 1)
  const mirror = filled(a)
  const stepped = mirror.snapshot({ revision: 2, hash: hashOf(['other']), texts: [] })
  expect(stepped.ok).toBe(false)
  expect([...mirror.texts.values()]).toEqual([a])
  expect(mirror.revision).toBe(1)
})

test('a change with a wrong hash changes nothing', () => {
  const a = text('a', '/a', 1)
  const mirror = filled(a)
  const changes: DefinitionChange[] = [{ op: 'delete', kind: 'Api', name: 'a' }]
  expect(mirror.change({ revision: 2, hash: hashOf(['other']), changes })?.ok).toBe(false)
  expect([...mirror.texts.values()]).toEqual([a])
  expect(mirror.hash).toBe(hashOf([a]))
})

test('a revision that was seen before is passed over', () => {
  const mirror = filled(text('a', '/a', 1))
  expect(mirror.change({ revision: 1, hash: mirror.hash, changes: [] })).toBe(null)
})

test('a change before any snapshot is refused', () => {
  expect(new Mirror().change({ revision: 1, hash: hashOf([]), changes: [] })?.ok).toBe(false)
})

test('one revision may touch a definition more than once: the last form counts', () => {
  const mirror = filled(text('a', '/a', 1))
  const last = definition('a', '/3', 2)
  const changes: DefinitionChange[] = [
    { op: 'put', definition: definition('a', '/2', 2) },
    { op: 'delete', kind: 'Api', name: 'a' },
    { op: 'put', definition: last },
  ]
  const stepped = mirror.change({ revision: 2, hash: hashOf([JSON.stringify(last)]), changes })
  expect(stepped?.ok && stepped.delta.puts).toEqual([JSON.stringify(last)])
  expect(stepped?.ok && stepped.delta.deletes).toEqual([])
})

test('kinds of a newer version are carried like any other', () => {
  const future = JSON.stringify({
    kind: 'Wormhole',
    name: 'w',
    spec: {},
    revision: 3,
    createdRevision: 3,
  })
  const mirror = filled(future)
  expect(mirror.texts.get('Wormhole/w')).toBe(future)
})

test('after any changes the mirror is what a plain map would be, and its hash that of a fresh sum', () => {
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    path: fc.constantFrom('/1', '/2', null),
  })
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 20 }), (revisions) => {
      const mirror = filled()
      const plain = new Map<string, string>()
      revisions.forEach((steps, at) => {
        const revision = at + 2
        const changes = steps.map(({ name, path }): DefinitionChange => {
          if (path === null) {
            plain.delete(name)
            return { op: 'delete', kind: 'Api', name }
          }
          plain.set(name, text(name, path, revision))
          return { op: 'put', definition: definition(name, path, revision) }
        })
        const stepped = mirror.change({ revision, hash: hashOf(plain.values()), changes })
        expect(stepped?.ok).toBe(true)
      })
      expect([...mirror.texts.values()].toSorted()).toEqual([...plain.values()].toSorted())
    }),
  )
})

test('the name of a text is found without parsing it, and by parsing where members are in another order', () => {
  expect(nameOfText(text('a', '/a', 1))).toEqual({ kind: 'Api', name: 'a' })
  expect(nameOfText('{"name":"x","kind":"Upstream"}')).toEqual({ kind: 'Upstream', name: 'x' })
  expect(nameOfText('{"name":1}')).toBe(null)
  expect(nameOfText('nonsense')).toBe(null)
})
