import { describe, expect, test } from 'vitest'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { parseDefinition } from '../../../shared/definitions/parse.ts'
import type { StreamSpec } from '../../../shared/definitions/stream.ts'
import {
  applyChanges,
  compileTable,
  EMPTY_TABLE,
  upstreamOf,
  type RoutingTable,
} from '../../../shared/routing/table.ts'
import { matchStream, streamPort } from '../../../shared/routing/streams.ts'
import { adopt, put, tableOf, upstream } from './samples.ts'

const TARGETS = { targets: [{ url: 'tcp://127.0.0.1:9001' }] }

function stream(name: string, port: number, more: Partial<StreamSpec> = {}): Definition {
  const spec = { port, upstream: TARGETS, ...more }
  return { kind: 'Stream', name, spec, revision: 1, createdRevision: 1 }
}

function remove(name: string) {
  return { op: 'delete', kind: 'Stream', name } as const
}

function issuesOf(...definitions: readonly Definition[]): string[] {
  const result = compileTable(definitions)
  return result.ok
    ? []
    : result.issues.map(({ kind, name, path, message }) => `${kind}/${name} ${path}: ${message}`)
}

/** The ports of a table, by name. */
function portsOf(table: RoutingTable): Record<string, number> {
  return Object.fromEntries([...table.streams].map(([name, { port }]) => [name, port]))
}

describe('Streams of one port', () => {
  test('are told apart by names, and one of them may have none', () => {
    expect(issuesOf(stream('a', 1, { sni: ['a.x'] }), stream('b', 1), stream('c', 2))).toEqual([])
  })

  test('that nothing tells apart are refused, each with its place', () => {
    expect(issuesOf(stream('a', 1), stream('b', 1))).toEqual([
      'Stream/a spec.port: Stream "b" takes port 1 without sni, too: one must name hosts',
      'Stream/b spec.port: Stream "a" takes port 1 without sni, too: one must name hosts',
    ])
    const [a, b] = [stream('a', 1, { sni: ['x', '*.y'] }), stream('b', 1, { sni: ['z', '*.Y'] })]
    expect(issuesOf(a, b)).toEqual([
      'Stream/a spec.sni.1: is taken on port 1 by Stream "b"',
      'Stream/b spec.sni.1: is taken on port 1 by Stream "a"',
    ])
  })

  test('agree on PROXY headers: those come before names', () => {
    const [a, b] = [stream('a', 1, { sni: ['x'] }), stream('b', 1, { acceptProxyProtocol: true })]
    expect(issuesOf(a, b)).toEqual([
      'Stream/a spec.acceptProxyProtocol: must be as Stream "b" has it, which is on the same port',
      'Stream/b spec.acceptProxyProtocol: must be as Stream "a" has it, which is on the same port',
    ])
  })

  test('are found by the most specific name', () => {
    const { streams } = tableOf(
      stream('exact', 1, { sni: ['a.b.c'] }),
      stream('below', 1, { sni: ['*.b.c'] }),
      stream('suffix', 1, { sni: ['.c', '.b.c'] }),
      stream('any', 1),
    )
    const port = streamPort(1, [...streams.values()])
    const found = (name: string | null) => matchStream(port, name)?.name
    expect(['a.b.c', 'x.b.c', 'x.a.b.c', 'b.c', 'c', 'x.c', 'other', null].map(found)).toEqual([
      'exact',
      'below',
      'below',
      'suffix',
      'suffix',
      'suffix',
      'any',
      'any',
    ])
    const named = streamPort(1, [...streams.values()].slice(0, 1))
    expect([matchStream(named, null), matchStream(named, 'x')]).toEqual([null, null])
  })
})

test('a Stream that names a host twice, or an Upstream that is not there, is refused', () => {
  expect(issuesOf(stream('a', 1, { sni: ['x', 'X'] }))).toEqual([
    'Stream/a spec.sni.1: names the host x a second time',
  ])
  expect(issuesOf(stream('a', 1, { upstream: 'car' }), upstream('cart'))).toEqual([
    'Stream/a spec.upstream: no Upstream "car", did you mean "cart"?',
  ])
})

test('an Upstream that a Stream needs is not deleted without it', () => {
  const table = tableOf(upstream('cart'), stream('a', 1, { upstream: 'cart' }))
  const gone = { op: 'delete', kind: 'Upstream', name: 'cart' } as const
  const refused = applyChanges(table, [gone])
  expect(refused.ok ? [] : refused.issues).toEqual([
    {
      kind: 'Stream',
      name: 'a',
      path: 'spec.upstream',
      message: 'no Upstream "cart": it would be deleted, but is needed here',
    },
  ])
  expect(applyChanges(table, [gone, remove('a')]).ok).toBe(true)
  expect(adopt(table, gone).quarantined[0]?.reason).toContain('Stream "a" still needs it')
})

test('an inline upstream has the key of its Stream, and stays the same when only the rest changes', () => {
  const table = tableOf(stream('a', 1))
  const next = applyChanges(table, [put(stream('a', 1, { idleMs: 5 }))])
  expect(next.ok && next.upstreamsChanged).toEqual([])
  expect(upstreamOf(table, 'Stream/a')?.targets[0]).toMatchObject({
    origin: 'tcp://127.0.0.1:9001',
    host: '127.0.0.1',
    port: 9_001,
  })
  expect(next.ok && upstreamOf(next.table, 'Stream/a')).toBe(upstreamOf(table, 'Stream/a'))
})

describe('a gateway', () => {
  test('takes Streams that change places in one step', () => {
    const table = tableOf(stream('a', 1), stream('b', 2))
    const adopted = adopt(table, put(stream('a', 2)), put(stream('b', 1)))
    expect(adopted.quarantined).toEqual([])
    expect(portsOf(adopted.table)).toEqual({ a: 2, b: 1 })
  })

  test('keeps the last form of one that conflicts, until the other one makes room', () => {
    const table = tableOf(stream('a', 1), stream('b', 2))
    const held = adopt(table, put(stream('b', 1)))
    expect(held.quarantined).toMatchObject([{ kind: 'Stream', name: 'b' }])
    expect(portsOf(held.table)).toEqual({ a: 1, b: 2 })
    const healed = adopt(held.table, remove('a'))
    expect(healed.quarantined).toEqual([])
    expect(portsOf(healed.table)).toEqual({ b: 1 })
  })

  test('waits with a Stream for its Upstream', () => {
    const waiting = adopt(EMPTY_TABLE, put(stream('a', 1, { upstream: 'cart' })))
    expect(waiting.quarantined).toMatchObject([{ reason: 'spec.upstream: no Upstream "cart"' }])
    const there = adopt(waiting.table, put(upstream('cart')))
    expect([there.quarantined, portsOf(there.table)]).toEqual([[], { a: 1 }])
  })
})

test.each([
  [{ port: 0 }, 'spec.port'],
  [{ port: 65_536 }, 'spec.port'],
  [{ port: '80' }, 'spec.port'],
  [{ sni: [] }, 'spec.sni'],
  [{ sni: ['a.example:443'] }, 'spec.sni.0'],
  [{ proxyProtocol: 'v3' }, 'spec.proxyProtocol'],
  [{ idleMs: 0 }, 'spec.idleMs'],
  [{ connectionsMax: 0 }, 'spec.connectionsMax'],
  [{ hosts: ['a'] }, 'spec.hosts'],
  [{ upstream: { targets: [{ url: 'tcp://a' }] } }, 'spec.upstream'],
  [{ upstream: { targets: [{ url: 'tcp://a:1/x' }] } }, 'spec.upstream'],
  [{ upstream: { targets: [{ url: 'tcp://a:99999' }] } }, 'spec.upstream'],
  [{ upstream: { targets: [{ url: 'tcp://u:p@a:1' }] } }, 'spec.upstream'],
])('%j is refused', (more, path) => {
  const spec = { port: 1, upstream: TARGETS, ...more }
  const result = parseDefinition({ kind: 'Stream', name: 'a', spec })
  expect(result.ok ? '' : result.issues[0]?.path).toMatch(new RegExp(`^${path}`))
})
