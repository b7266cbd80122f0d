import { assert, boolean, property, string, stringMatching } from 'fast-check'
import { expect, test } from 'vitest'
import { readTraceParent, traceParentText } from '../../../gateway/tracing/trace-parent.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const NONE = '0'.repeat(32)

test.for([
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, false],
  [`00-${TRACE}-${SPAN}-03`, true],
  [`cc-${TRACE}-${SPAN}-01`, true],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, true],
] as const)('%s is a traceparent', ([value, isSampled]) => {
  expect(readTraceParent(value)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled })
})

test.for([
  undefined,
  '',
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-01-more`,
  `cc-${TRACE}-${SPAN}-01.more`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${NONE}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-1`,
  `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
])('%s is none', (value) => {
  expect(readTraceParent(value)).toBe(null)
})

test('what is written is read back, and nothing else is taken for it', () => {
  assert(
    property(
      stringMatching(/^[1-9a-f][0-9a-f]{31}$/),
      stringMatching(/^[1-9a-f][0-9a-f]{15}$/),
      boolean(),
      (traceId, spanId, isSampled) => {
        const parent = { traceId, spanId, isSampled }
        expect(readTraceParent(traceParentText(parent))).toEqual(parent)
      },
    ),
  )
  assert(property(string(), (text) => readTraceParent(text) === null))
})
