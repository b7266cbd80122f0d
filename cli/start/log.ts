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

/** Lines of JSON on stderr. They are written at once, so that the last words of a process are not lost. */
export function processLogger(level: string, base: Readonly<Record<string, string>>): Logger {
  return pino(
    { level, base: { ...base, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  )
}
