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

/** Characters of lines that wait at most. */
const LINES_CHARS_MAX = 8 * 1024

/**
 * Lines of JSON on stderr. Those of one turn of the event loop are written in one go: a busy node audits every write,
 * and a system call for each would cost as much as the write. Warnings, errors and the last words of a process are
 * written at once.
 */
export function processLogger(level: string, base: Readonly<Record<string, string>>): Logger {
  const destination = pino.destination({ fd: 2, sync: true })
  let lines = ''
  const flush = (): void => {
    const text = lines
    lines = ''
    if (text !== '') destination.write(text)
  }
  const gathered = {
    write(line: string): void {
      lines += line
      if (lines.length > LINES_CHARS_MAX) flush()
    },
  }
  process.on('exit', flush)
  const logger = pino(
    { level, base: { ...base, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    gathered,
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
