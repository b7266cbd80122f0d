import { HEAD_BYTES_MAX, HEAD_FIELDS_MAX, TARGET_LINE_BYTES_MAX } from '../../shared/limits.ts'
import type { Refusal } from './refusal.ts'

/** What a request head may cost at most, and what is said of one that would cost more. Made once for all connections. */
export type HeadBounds = {
  /** From the first line to the empty one. */
  readonly headBytesMax: number
  readonly headFieldsMax: number
  readonly targetBytesMax: number
  readonly tooManyFields: Refusal
  readonly longTarget: Refusal
}

export function headBounds(
  bounds: Pick<HeadBounds, 'headBytesMax' | 'headFieldsMax' | 'targetBytesMax'>,
): HeadBounds {
  const { headBytesMax, headFieldsMax, targetBytesMax } = bounds
  const longTarget: Refusal = {
    code: 'TARGET_LINE_TOO_LONG',
    message: `the request target has more than ${targetBytesMax} bytes`,
  }
  const tooManyFields = tooMany(headFieldsMax)
  return { headBytesMax, headFieldsMax, targetBytesMax, tooManyFields, longTarget }
}

function tooMany(fieldsMax: number): Refusal {
  return { code: 'HEAD_TOO_LARGE', message: `the head has more than ${fieldsMax} fields` }
}

export const TOO_LARGE: Refusal = {
  code: 'HEAD_TOO_LARGE',
  message: 'the head, or a trailer section, has too many bytes',
}

/** Of whatever is no request: answers of targets, and the fields behind a body. */
export const USUAL_BOUNDS = headBounds({
  headBytesMax: HEAD_BYTES_MAX,
  headFieldsMax: HEAD_FIELDS_MAX,
  targetBytesMax: TARGET_LINE_BYTES_MAX,
})
