import { isRaftwayError } from '../../shared/errors.ts'
import type { Clock } from '../clock.ts'
import { checkTable, tablesOf, type Pace } from './table-check.ts'
import { checkWriteAheadLog, writeAheadLogsOf } from './wal-check.ts'

/** A database that is written to shows half of a change now and then: damage is what is there after this time too. */
const AGAIN_MS = 500

/** Says which table of an open database is damaged, in words; null when none is. */
export function damagedTable(path: string, pace: Pace, clock: Clock): Promise<string | null> {
  return lasting(clock, () =>
    eachThatStays(
      () => tablesOf(path),
      (file) => checkTable(file, pace),
    ),
  )
}

/** The same of the write-ahead logs, the one that is being written among them. */
export function damagedLog(path: string, pace: Pace, clock: Clock): Promise<string | null> {
  return lasting(clock, () =>
    eachThatStays(
      () => writeAheadLogsOf(path),
      async (file) => pace(await checkWriteAheadLog(file)),
    ),
  )
}

/** What is damaged at the first look and at a second one. */
async function lasting(clock: Clock, look: () => Promise<string | null>): Promise<string | null> {
  if ((await look()) === null) return null
  await new Promise<void>((resolve) => {
    clock.after(AGAIN_MS, resolve)
  })
  return look()
}

/** Checks files, of which some may go meanwhile: the database has no use for them any more. */
async function eachThatStays(
  list: () => Promise<readonly string[]>,
  check: (file: string) => Promise<void>,
): Promise<string | null> {
  try {
    for (const file of await list()) {
      try {
        await check(file)
      } catch (error) {
        if (!isGone(error)) throw error
      }
    }
    return null
  } catch (error) {
    if (isGone(error) || !isRaftwayError(error, 'STORAGE_CORRUPT')) throw error
    return error.message
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
