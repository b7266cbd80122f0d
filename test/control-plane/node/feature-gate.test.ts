import { expect, test } from 'vitest'
import { FeatureGate } from '../../../control-plane/node/feature-gate.ts'
import type { NodeAddress } from '../../../control-plane/ports.ts'
import { levelOfCommand } from '../../../control-plane/state-machine/feature-level.ts'
import { FEATURES, OWN_RELEASE } from '../../../shared/features.ts'
import { api, del, put, upstream, write } from '../state-machine/samples.ts'

function member(id: number, featureLevel: number | null): NodeAddress {
  const address = { id, name: `n${id}`, api: '', peer: `p${id}` }
  return featureLevel === null
    ? address
    : { ...address, release: { version: `0.${featureLevel}.0`, featureLevel } }
}

function gate(levels: readonly (number | null)[], used = 1): FeatureGate {
  const needs = { levelOfCommand: () => 3 }
  return new FeatureGate(needs, { state: { featureLevel: used } }, () =>
    levels.map((level, at) => member(at + 1, level)),
  )
}

test('a feature is there once every member knows it, whatever else some know', () => {
  expect(gate([3, 4, 3]).level).toBe(3)
  expect(() => gate([3, 4, 3]).assertAdmitted(write([]))).not.toThrow()
  expect([gate([3, 4]).admits(3), gate([3, 4]).admits(4)]).toEqual([true, false])
})

test('who does not know it is named with what it runs', () => {
  expect(() => gate([3, 2, null]).assertAdmitted(write([]))).toThrow(
    expect.objectContaining({
      code: 'FEATURE_UNAVAILABLE',
      message: expect.stringMatching(
        /needs feature level 3.*upgrade n2 \(raftway 0\.2\.0, feature level 2\), n3 \(of unknown version\)/,
      ),
      extra: {
        featureLevel: 3,
        behind: [
          { name: 'n2', version: '0.2.0', featureLevel: 2 },
          { name: 'n3', version: null, featureLevel: 1 },
        ],
      },
    }),
  )
})

test('whoever knows less than the log has used may not join', () => {
  const newcomer = member(9, 2)
  expect(() => gate([3], 2).assertMayJoin(newcomer)).not.toThrow()
  expect(() => gate([3], 3).assertMayJoin(newcomer)).toThrow(
    expect.objectContaining({
      code: 'VERSION_TOO_OLD',
      message: expect.stringMatching(
        /n9 \(raftway 0\.2\.0.*uses feature level 3; upgrade it first/,
      ),
    }),
  )
})

test('a command needs the most that anything in it needs', () => {
  const secret = { kind: 'Secret', name: 's', spec: {} } as never
  expect(levelOfCommand(write([put(upstream('u')), put(api('a', 'u'))]))).toBe(FEATURES.base)
  expect(levelOfCommand(write([put(upstream('u')), put(secret)]))).toBe(FEATURES.access)
  expect(levelOfCommand(write([{ ...del('Api', 'x'), kind: 'Token' } as never]))).toBe(
    FEATURES.access,
  )
  const access = { bootstrapHash: 'h', forwardingSecret: 's', atMs: 1 }
  expect(levelOfCommand({ type: 'access', access })).toBe(FEATURES.access)
  expect(levelOfCommand({ type: 'member', address: member(1, 1) })).toBe(FEATURES.base)
  expect(OWN_RELEASE.featureLevel).toBeGreaterThanOrEqual(FEATURES.access)
})
