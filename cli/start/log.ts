import { pino } from 'pino'
import type { OptionSpecs } from '../command.ts'
import type { Logger } from '../../shared/logger.ts'

/** How much a process says about itself. */
export const LOG_OPTION = {
  'log-level': {
    type: 'string',
    choices: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    describe: 'lines of JSON on stderr, from this level up',
  },
} as const satisfies OptionSpecs

/** Lines of one turn that are written together at the latest when they are so many bytes. */
const LINES_BYTES_MAX = 8 * 1024

/**
 * Lines of JSON on stderr. Those of one turn of the event loop are written in one go: a busy node audits every write,
 * and a system call for each would cost as much as the write. Warnings, errors and the last words of a process are
 * written at once.
 */
export function processLogger(level: string, base: Readonly<Record<string, string>>): Logger {
  const destination = pino.destination({ fd: 2, sync: true, minLength: LINES_BYTES_MAX })
  const flush = (): void => destination.flushSync()
  process.on('exit', flush)
  const logger = pino(
    { level, base: { ...base, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  )
  let isFlushing = false
  const flushSoon = (): void => {
    if (isFlushing) return
    isFlushing = true
    setImmediate(() => {
      isFlushing = false
      flush()
    })
  }
  return {
    debug(fields, message) {
      logger.debug(fields, message)
      flushSoon()
    },
    info(fields, message) {
      logger.info(fields, message)
      flushSoon()
    },
    warn(fields, message) {
      logger.warn(fields, message)
      flush()
    },
    error(fields, message) {
      logger.error(fields, message)
      flush()
    },
  }
}
