import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { InOrder, type UpstreamHandler } from '../../../gateway/upstream/upstream-connection.ts'

type Call = 'ready' | 'start' | 'data' | 'writable' | 'end' | 'error'

function recorder(seen: Call[]): UpstreamHandler {
  return {
    onReady: () => void seen.push('ready'),
    onStart: () => void seen.push('start'),
    onData: () => {
      seen.push('data')
      return true
    },
    onWritable: () => void seen.push('writable'),
    onEnd: () => void seen.push('end'),
    onError: () => void seen.push('error'),
  }
}

function perform(handler: UpstreamHandler, call: Call): void {
  if (call === 'ready') handler.onReady()
  if (call === 'start') handler.onStart(200, [])
  if (call === 'data') handler.onData(new Uint8Array(1))
  if (call === 'writable') handler.onWritable()
  if (call === 'end') handler.onEnd()
  if (call === 'error') handler.onError({ code: 'UPSTREAM_UNREACHABLE', detail: '' })
}

/** The order in words: ready, start, data…, then one of end and error; error at any time. */
const ORDER = /^(ready (writable )*(start ((data|writable) )*(end |error )?|error )?|error )?$/

function isInOrder(calls: readonly Call[]): boolean {
  return ORDER.test(calls.map((call) => `${call} `).join(''))
}

test('every sequence of calls is let through as far as it keeps the order, and stopped where it breaks it', () => {
  const call = fc.constantFrom<Call>('ready', 'start', 'data', 'writable', 'end', 'error')
  fc.assert(
    fc.property(fc.array(call, { maxLength: 8 }), (calls) => {
      const seen: Call[] = []
      const handler = new InOrder(recorder(seen))
      for (const next of calls) {
        const isAllowed = isInOrder([...seen, next])
        let isStopped = false
        try {
          perform(handler, next)
        } catch {
          isStopped = true
        }
        expect(isStopped).toBe(!isAllowed)
        if (isStopped) return
      }
      expect(seen).toEqual(calls)
    }),
    { numRuns: 5_000 },
  )
})

test('the usual answer passes, and its back-pressure with it', () => {
  const seen: Call[] = []
  const handler = new InOrder({ ...recorder(seen), onData: () => false })
  for (const call of ['ready', 'writable', 'start'] as const) perform(handler, call)
  expect(handler.onData(new Uint8Array(3))).toBe(false)
  perform(handler, 'end')
  expect(seen).toEqual(['ready', 'writable', 'start', 'end'])
})
