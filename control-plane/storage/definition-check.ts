import { join } from 'node:path'
import type { Definition, Kind } from '../../shared/definitions/kinds.ts'
import { fileText, pathOf, readIfThere, REVISION_FILE } from './definition-directory.ts'
import type { Pace } from './table-check.ts'

/** The definitions as they are applied now. */
export type Shown = {
  list(): readonly Definition[]
  get(kind: Kind, name: string): Definition | undefined
}

/**
 * Reads the file of every definition that the directory says it shows, as fast as `pace` lets it, and names the first
 * that says something else, or is gone; null when there is none. Files may be behind the state: what is newer than the
 * revision that they show is not asked of them.
 */
export async function findStrayFile(dir: string, state: Shown, pace: Pace): Promise<string | null> {
  const shown = Number((await readIfThere(join(dir, REVISION_FILE))) ?? Number.NaN)
  for (const definition of state.list()) {
    if (!(definition.revision <= shown)) continue
    const path = join(dir, pathOf(definition))
    const text = await readIfThere(path)
    const isSame = text === fileText(definition)
    // It may have changed while its file was read.
    if (!isSame && state.get(definition.kind, definition.name) === definition)
      return `${path} is not what was written there`
    await pace(text?.length ?? 0)
  }
  return null
}
