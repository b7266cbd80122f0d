import type { RecordOptions } from '../../gateway/options.ts'
import { RECORD_FILES_KEPT_DEFAULT } from '../../shared/limits.ts'
import type { OptionSpecs } from '../command.ts'
import { readByteSize } from './byte-size.ts'

/** Where a gateway writes access records, and how. */
export const ACCESS_LOG_OPTIONS = {
  'access-log': {
    type: 'string',
    default: 'off',
    describe: 'where a record of every request goes: off, stdout, or a file; SIGHUP begins it anew',
  },
  'access-log-format': {
    type: 'string',
    default: 'json',
    describe: 'json, common, combined, or a template such as "{client} {requestLine} {status}"',
  },
  'access-log-query': {
    type: 'string',
    choices: ['mask', 'all', 'none'],
    default: 'mask',
    describe: 'query strings in records: names only (mask), as they are (all), or none',
  },
  'access-log-sample': {
    type: 'number',
    default: 1,
    describe: 'share of the requests that are recorded, 0 to 1; an Api may say its own',
  },
  'access-log-max-size': {
    type: 'string',
    describe: 'rename the file at this size, such as 100MiB, and begin it anew; default never',
  },
  'access-log-keep': {
    type: 'number',
    default: RECORD_FILES_KEPT_DEFAULT,
    describe: 'renamed files that are kept',
  },
} as const satisfies OptionSpecs

/** What `ACCESS_LOG_OPTIONS` gives a command. */
type AccessLogArguments = {
  readonly 'access-log': string
  readonly 'access-log-format': string
  readonly 'access-log-query': 'mask' | 'all' | 'none'
  readonly 'access-log-sample': number
  readonly 'access-log-max-size': string | undefined
  readonly 'access-log-keep': number
}

/** Whether records go to a file, which can be begun anew. */
export function hasLogFile(args: Pick<AccessLogArguments, 'access-log'>): boolean {
  return args['access-log'] !== 'off' && args['access-log'] !== 'stdout'
}

/** The same as options of a gateway. Throws UsageError. */
export function readAccessLogOptions(args: AccessLogArguments): RecordOptions {
  const size = args['access-log-max-size']
  return {
    to: args['access-log'],
    format: args['access-log-format'],
    query: args['access-log-query'],
    sample: args['access-log-sample'],
    fileBytesMax: size === undefined ? null : readByteSize('--access-log-max-size', size),
    filesKept: args['access-log-keep'],
  }
}
