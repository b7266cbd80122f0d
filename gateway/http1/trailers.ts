import { TRAILER_BYTES_MAX } from '../../shared/limits.ts'
import { FIELD, type FieldId } from './field-names.ts'
import { Fields } from './fields.ts'
import { USUAL_BOUNDS } from './head-bounds.ts'
import { REFUSED, type HeadSink } from './head-reader.ts'
import { malformed, type Refusal } from './refusal.ts'

const NOT_IN_TRAILERS = malformed('a field that says where a message goes or ends stands behind it')

/** The fields behind a chunked body (RFC 9112 7.1.2), read by a HeadReader. */
export class Trailers implements HeadSink {
  readonly fields = new Fields()
  readonly startLineBytesMax = 0
  readonly headBytesMax = TRAILER_BYTES_MAX
  readonly headFieldsMax = USUAL_BOUNDS.headFieldsMax
  readonly tooManyFields = USUAL_BOUNDS.tooManyFields
  readonly tooLong = NOT_IN_TRAILERS
  readonly mayFollowEmptyLine = false
  refusal: Refusal | null = null

  clear(): void {
    this.fields.clear()
    this.refusal = null
  }

  startLine(): number {
    return REFUSED
  }

  /** RFC 9110 6.5.1: what frames, routes or authenticates may not come late. */
  field(id: FieldId): boolean {
    if (id === FIELD.DATE) return true
    this.refusal = NOT_IN_TRAILERS
    return false
  }

  finish(): boolean {
    return true
  }
}
