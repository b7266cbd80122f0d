import { expect, test } from 'vitest'
import { exitCodeOf } from '../../cli/exit-codes.ts'
import { ERROR_CODES, type ErrorCode } from '../../shared/errors.ts'

test.for([
  ['REVISION_CONFLICT', 4],
  ['MEMBER_EXISTS', 4],
  ['IDEMPOTENCY_KEY_REUSED', 4],
  ['DEFINITION_NOT_FOUND', 5],
  ['REVISION_NOT_FOUND', 5],
  ['REVISION_COMPACTED', 5],
  ['MEMBER_NOT_FOUND', 5],
  ['NO_LEADER', 6],
  ['TIMEOUT', 6],
  ['WRITE_UNCERTAIN', 6],
  ['INVALID_DEFINITION', 8],
  ['MALFORMED_BODY', 8],
  ['BODY_TOO_LARGE', 8],
  ['INTERNAL', 1],
] as const satisfies readonly (readonly [ErrorCode, number])[])(
  '%s ends with %i',
  ([code, exit]) => {
    expect(exitCodeOf({ code, status: ERROR_CODES[code].status })).toBe(exit)
  },
)

test('a refusal that this version does not know goes by its status', () => {
  expect(exitCodeOf({ code: 'FORBIDDEN', status: 403 })).toBe(7)
  expect(exitCodeOf({ code: 'NO_TOKEN', status: 401 })).toBe(7)
  expect(exitCodeOf({ code: 'TEAPOT', status: 418 })).toBe(1)
  expect(exitCodeOf({ code: 'UNREACHABLE', status: 0 })).toBe(6)
})

test('no code of the project ends with success, usage or differences', () => {
  const failures = [1, 4, 5, 6, 7, 8]
  const others = Object.entries(ERROR_CODES).filter(
    ([code, { status }]) => !failures.includes(exitCodeOf({ code, status })),
  )
  expect(others).toEqual([])
})
