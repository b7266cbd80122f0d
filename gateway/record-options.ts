import type { Issue } from '../shared/errors.ts'
import {
  RECORD_FILE_BYTES_MIN,
  RECORD_FILES_KEPT_DEFAULT,
  RECORD_FILES_KEPT_MAX,
  RECORD_FORMAT_CHARS_MAX,
} from '../shared/limits.ts'
import {
  QUERY_FORMS,
  type QueryForm,
  type RecordDestination,
  type RecordSettings,
} from './records/settings.ts'
import { faultOfFormat } from './records/template-record.ts'

/** Where access records go and how they look, as a command line or a test says it. */
export type RecordOptions = {
  /** `off`, `stdout`, or the path of a file. Default `off`. */
  readonly to?: string
  /** `json` (default), `common`, `combined`, or a template. */
  readonly format?: string
  /** Default `mask`. */
  readonly query?: QueryForm
  /** 0 to 1; default 1. */
  readonly sample?: number
  /** Size at which a file is renamed and begun anew; null: never. */
  readonly fileBytesMax?: number | null
  /** Renamed files that are kept. Default 5. */
  readonly filesKept?: number
}

/** Options checked and filled in. */
export type RecordPlan = {
  readonly settings: RecordSettings
  readonly destination: RecordDestination
}

/** Null when nothing is to be recorded. What is wrong is added to `issues`. */
export function readRecordOptions(
  gateway: string,
  options: RecordOptions,
  issues: Issue[],
): RecordPlan | null {
  const { to = 'off', format = 'json', query = 'mask', sample = 1 } = options
  const { fileBytesMax = null, filesKept = RECORD_FILES_KEPT_DEFAULT } = options
  const refuse = (path: string, message: string): void => {
    issues.push({ path: `records.${path}`, message })
  }
  if (to === '') refuse('to', 'must be off, stdout, or the path of a file')
  const fault =
    format.length > RECORD_FORMAT_CHARS_MAX
      ? `may have ${RECORD_FORMAT_CHARS_MAX} characters (RECORD_FORMAT_CHARS_MAX)`
      : faultOfFormat(format)
  if (fault !== null) refuse('format', fault)
  if (!QUERY_FORMS.includes(query)) refuse('query', `must be one of ${QUERY_FORMS.join(', ')}`)
  if (!(sample >= 0 && sample <= 1)) refuse('sample', 'must be 0 to 1')
  if (fileBytesMax !== null && !(fileBytesMax >= RECORD_FILE_BYTES_MIN)) {
    const message = `must be at least ${RECORD_FILE_BYTES_MIN} bytes (RECORD_FILE_BYTES_MIN)`
    refuse('fileBytesMax', message)
  }
  if (!Number.isInteger(filesKept) || filesKept < 1 || filesKept > RECORD_FILES_KEPT_MAX) {
    refuse('filesKept', `must be 1 to ${RECORD_FILES_KEPT_MAX} (RECORD_FILES_KEPT_MAX)`)
  }
  if (to === 'off') return null
  return {
    settings: { gateway, format, query, sample },
    destination: {
      path: to === 'stdout' ? null : to,
      bytesMax: fileBytesMax,
      kept: filesKept,
    },
  }
}
