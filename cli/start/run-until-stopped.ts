import { describeError, ERROR_CODES, isRaftwayError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Terminal } from '../command.ts'
import { EXIT, exitCodeOf, type ExitCode } from '../exit-codes.ts'

/** What runs until it is told to stop, or until it ends by itself with a reason. */
export type Running = {
  stop(): Promise<void>
  readonly ended?: Promise<unknown>
}

/**
 * Starts something and keeps it running until SIGINT or SIGTERM, then stops it: exit 0. If it ends by itself it is
 * stopped too: exit 1, or 7 for a node that its cluster has removed. A second signal ends the process at once. A stop
 * that comes during the start waits for it. A failed start is thrown.
 */
export async function runUntilStopped(
  terminal: Pick<Terminal, 'takeStop'>,
  logger: Logger,
  start: () => Promise<Running>,
): Promise<ExitCode> {
  const stop = terminal.takeStop()
  const asked = new Promise<null>((resolve) => {
    stop.addEventListener('abort', () => resolve(null), { once: true })
  })
  const running = await start()
  const ended = running.ended?.then((reason) => ({ reason }))
  const outcome = await (ended === undefined ? asked : Promise.race([asked, ended]))
  if (outcome === null) logger.info({}, 'stopping')
  else logger.error(wordsOf(outcome.reason), 'ended by itself')
  try {
    await running.stop()
    logger.info({}, 'stopped')
    return outcome === null ? EXIT.ok : exitCodeOfEnd(outcome.reason)
  } catch (error) {
    logger.error({ error: describeError(error) }, 'stopped, but not cleanly')
    return EXIT.error
  }
}

function wordsOf(reason: unknown): object {
  return {
    reason: describeError(reason),
    ...(isRaftwayError(reason) ? { code: reason.code } : {}),
  }
}

/** A node that was removed is not to be started again as it is: whoever watches over it must be able to tell. */
export function exitCodeOfEnd(reason: unknown): ExitCode {
  if (!isRaftwayError(reason, 'MEMBER_REMOVED')) return EXIT.error
  return exitCodeOf({ code: reason.code, status: ERROR_CODES[reason.code].status })
}
