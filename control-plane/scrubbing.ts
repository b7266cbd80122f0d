import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { RaftwayError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { noteLostEntries } from './node/lost-entries.ts'
import type { ClusterStatus, ControlPlane } from './ports.ts'
import { damagedLog, damagedTable } from './storage/at-rest.ts'
import { findStrayFile } from './storage/definition-check.ts'
import type { DefinitionFiles } from './storage/definition-files.ts'
import type { NodeStore } from './storage/node-store.ts'
import { Scrub, type ScrubCheck } from './storage/scrub.ts'
import { SYSTEM_CLOCK } from './system-clock.ts'

/** What is scrubbed, and who hears of it. */
export type ScrubbingParts = {
  readonly options: {
    readonly dataDir: string
    readonly scrubBytesPerSecond: number
    readonly scrubRestMs: number
    readonly healCorrupt: boolean
  }
  readonly store: NodeStore
  readonly plane: ControlPlane
  readonly logger: Logger
  /** Has every definition file compared with the state, and written where it differs. */
  readonly repairFiles: () => void
  /** The node is to end, and to be replaced at its next start. */
  readonly onFatal: (error: RaftwayError) => void
}

/**
 * Begins to read what a node has on its disk again and again; null when that is not wanted. What can be made good
 * from memory is: a write-ahead log is written out as a table and begun anew, definition files are written again. For
 * the rest, tables and the records in them, the node ends and is replaced like one whose data is found damaged at its
 * start, but only while the others can do without it. One that they cannot do without goes on from memory, and says so.
 */
export function beginScrub(parts: ScrubbingParts): Scrub | null {
  const { scrubBytesPerSecond: bytesPerSecond, scrubRestMs } = parts.options
  if (bytesPerSecond === 0) return null
  // Nodes that were started together do not find, and end, together.
  const restMs = Math.ceil((scrubRestMs * randomInt(75, 126)) / 100)
  const { logger } = parts
  return new Scrub({ checks: checksOf(parts), bytesPerSecond, restMs, clock: SYSTEM_CLOCK, logger })
}

/** Shows a node's definitions as files. What it returns has all of them compared with the state. */
export function showDefinitions(files: DefinitionFiles, plane: ControlPlane): () => void {
  let compare = (): void => {}
  files.follow({
    state: plane.state,
    onApplied: (listener) => plane.onApplied(listener),
    onReset: (listener) => {
      compare = listener
      return plane.onReset(listener)
    },
  })
  return () => compare()
}

function checksOf(parts: ScrubbingParts): readonly ScrubCheck[] {
  const { store, plane, repairFiles } = parts
  const database = join(parts.options.dataDir, 'db')
  const files = join(parts.options.dataDir, 'definitions')
  const replace = (detail: string): Promise<void> => replaceNode(parts, detail)
  return [
    {
      what: 'write-ahead log',
      find: (pace) => damagedLog(database, pace, SYSTEM_CLOCK),
      heal: () => store.beginNewLog(),
    },
    {
      what: 'table',
      find: (pace) => damagedTable(database, pace, SYSTEM_CLOCK),
      heal: replace,
    },
    { what: 'record', find: (pace) => store.damagedRecord(pace), heal: replace },
    {
      what: 'definition file',
      find: (pace) => findStrayFile(files, plane.state, pace),
      heal: () => {
        repairFiles()
        return Promise.resolve()
      },
    },
  ]
}

async function replaceNode(parts: ScrubbingParts, detail: string): Promise<void> {
  const { options, store, plane, logger, onFatal } = parts
  if (!options.healCorrupt || !canDoWithout(plane.status())) {
    const why = options.healCorrupt
      ? 'the other voters would be no majority that can take it in anew'
      : '--heal-corrupt is off'
    logger.error(
      { audit: true, detail, why },
      'this node goes on from memory with DAMAGED data: save a snapshot, and replace its disk',
    )
    return
  }
  const error = new RaftwayError('STORAGE_CORRUPT', `${detail}; found while the node ran`)
  onFatal(await noteLostEntries(store.notes, error))
}

/** Whether a majority of all voters is heard besides this node. */
function canDoWithout({ members, node }: ClusterStatus): boolean {
  const voters = members.filter(({ role }) => role === 'voter')
  const others = voters.filter(({ name, healthy }) => name !== node && healthy)
  return others.length * 2 > voters.length
}
