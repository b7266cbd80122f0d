import { describe, expect, test } from 'vitest'
import { bestServices, joinOutcomes, readAnswer } from '../../../gateway/dns/dns-answer.ts'
import { a, soa } from '../support/dns-server.ts'

const ASKED = { name: 'db.example', type: 'A' } as const

describe('an answer', () => {
  test('lives as long as its shortest-lived record', () => {
    const answers = [a('db.example', '10.0.0.1', 60), a('DB.example', '10.0.0.2', 30)]
    expect(readAnswer({ flags: 0, answers }, ASKED)).toEqual({
      type: 'found',
      found: ['10.0.0.1', '10.0.0.2'],
      ttlMs: 30_000,
    })
  })

  test('is followed along aliases, which count for how long it lives', () => {
    const answers = [
      { type: 'CNAME', name: 'db.example', data: 'x.example', ttl: 5 },
      { type: 'CNAME', name: 'x.example', data: 'y.example', ttl: 90 },
      a('y.example', '10.0.0.3', 60),
      a('other.example', '10.9.9.9', 1),
    ]
    expect(readAnswer({ answers }, ASKED)).toEqual({
      type: 'found',
      found: ['10.0.0.3'],
      ttlMs: 5_000,
    })
  })

  test('that goes in circles comes to nothing', () => {
    const answers = [
      { type: 'CNAME', name: 'db.example', data: 'x.example', ttl: 5 },
      { type: 'CNAME', name: 'x.example', data: 'db.example', ttl: 5 },
    ]
    expect(readAnswer({ answers }, ASKED)).toEqual({ type: 'nothing', ttlMs: 5_000 })
  })

  test('of nothing lives as long as the zone says: the lesser of the record and its minimum', () => {
    const nothing = (authorities: readonly ReturnType<typeof soa>[], rcode: number) =>
      readAnswer({ flags: rcode, answers: [], authorities }, ASKED)
    expect(nothing([soa('example', 40, 90)], 3)).toEqual({ type: 'nothing', ttlMs: 40_000 })
    expect(nothing([soa('example', 90, 20)], 0)).toEqual({ type: 'nothing', ttlMs: 20_000 })
    expect(nothing([], 3)).toEqual({ type: 'nothing', ttlMs: 5_000 })
  })

  test('with any other code is a failure', () => {
    expect(readAnswer({ flags: 2 }, ASKED)).toEqual({ type: 'failed', reason: 'SERVFAIL' })
    expect(readAnswer({ flags: 5 }, ASKED)).toEqual({ type: 'failed', reason: 'REFUSED' })
  })
})

test('of two families, addresses of one are enough, and nothing takes both to say so', () => {
  const found = { type: 'found', found: ['x'], ttlMs: 9 } as const
  const nothing = { type: 'nothing', ttlMs: 5 } as const
  const failed = { type: 'failed', reason: 'SERVFAIL' } as const
  expect(joinOutcomes([found, nothing])).toEqual(found)
  expect(joinOutcomes([failed, found])).toEqual(found)
  expect(joinOutcomes([found, { ...found, ttlMs: 3 }])).toEqual({
    type: 'found',
    found: ['x', 'x'],
    ttlMs: 3,
  })
  expect(joinOutcomes([nothing, failed])).toEqual(failed)
  expect(joinOutcomes([nothing, { ...nothing, ttlMs: 7 }])).toEqual(nothing)
})

test('of services only those of the best priority count, and a lone dot is none', () => {
  const service = (target: string, priority: number) => ({ target, port: 1, priority, weight: 1 })
  expect(bestServices([service('a', 20), service('b', 10), service('c', 10)])).toEqual([
    service('b', 10),
    service('c', 10),
  ])
  expect(bestServices([service('.', 0)])).toEqual([])
})
