import { expect, test } from 'vitest'
import type { ApiSpec } from '../../../shared/definitions/api.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import {
  adoptChanges,
  applyChanges,
  compileTable,
  EMPTY_TABLE,
} from '../../../shared/routing/table.ts'
import type { DefinitionChange } from '../../../shared/routing/types.ts'

const TCP = { targets: [{ url: 'http://127.0.0.1:1' }, { url: 'TCP://127.0.0.1:2' }] }
const HTTP = { targets: [{ url: 'http://127.0.0.1:1' }] }

function upstream(spec: typeof TCP): Definition {
  return { kind: 'Upstream', name: 'u', spec, revision: 1, createdRevision: 1 }
}

function api(spec: Partial<ApiSpec>): Definition {
  const whole = { routes: [{ path: '/' }], ...spec }
  return { kind: 'Api', name: 'a', spec: whole, revision: 1, createdRevision: 1 }
}

function put(definition: Definition): DefinitionChange {
  return { op: 'put', definition }
}

function issuesOf(...definitions: readonly Definition[]): readonly string[] {
  const compiled = compileTable(definitions)
  return compiled.ok ? [] : compiled.issues.map(({ kind, path }) => `${kind} ${path}`)
}

test.each([
  [{ upstream: TCP }, 'Api spec.upstream.targets.1.url'],
  [{ routes: [{ path: '/', upstream: TCP }] }, 'Api spec.routes.0.upstream.targets.1.url'],
  [
    { routes: [{ path: '/', mirror: { upstream: TCP, percent: 1 } }], upstream: HTTP },
    'Api spec.routes.0.mirror.upstream.targets.1.url',
  ],
] as const)('an Api with an upstream for Streams of its own is refused: %j', (spec, issue) => {
  expect(issuesOf(api(spec as Partial<ApiSpec>))).toEqual([issue])
})

test('so is one that names an Upstream for Streams, whichever comes first', () => {
  expect(issuesOf(upstream(TCP), api({ upstream: 'u' }))).toEqual(['Api spec.upstream'])
  const before = compileTable([upstream(HTTP), api({ upstream: 'u' })])
  if (!before.ok) throw new Error('the config before is good')
  const after = applyChanges(before.table, [put(upstream(TCP))])
  expect(after).toEqual({
    ok: false,
    issues: [
      {
        kind: 'Upstream',
        name: 'u',
        path: 'spec.targets.1.url',
        message:
          'tcp:// is for Streams: an Api sends requests, to http:// or https:// targets, and Api "a" sends requests here',
      },
    ],
  })
  const apart = [put(upstream(TCP)), { op: 'delete', kind: 'Api', name: 'a' } as const]
  expect(applyChanges(before.table, apart).ok).toBe(true)
})

test('a gateway that is given one all the same keeps it in quarantine', () => {
  const { quarantined } = adoptChanges(EMPTY_TABLE, [
    put(upstream(TCP)),
    put(api({ upstream: 'u' })),
  ])
  expect(quarantined).toHaveLength(1)
  expect(quarantined[0]).toMatchObject({ kind: 'Api', name: 'a' })
  expect(quarantined[0]?.reason).toContain('tcp:// is for Streams')
})

test('an Upstream for Streams alone, and one for requests, are good', () => {
  expect(issuesOf(upstream(TCP))).toEqual([])
  expect(issuesOf(upstream(HTTP), api({ upstream: 'u' }))).toEqual([])
})
