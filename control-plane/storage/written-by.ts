import { RaftwayError } from '../../shared/errors.ts'
import { LEAST_LEVEL, OWN_RELEASE, type Release } from '../../shared/features.ts'
import type { Disk } from './disk.ts'
import { getMeta, putMeta } from './meta.ts'

const WRITTEN_BY = 'written-by'

/** Of keys and values as a whole. A format that older programs would misread gets the next number. */
const STORE_FORMAT = 1

type Writer = { readonly version: string; readonly format: number }

/** Who opened this store last for writing; null when nobody ever did. STORAGE_CORRUPT. */
export async function writerOf(disk: Disk): Promise<Writer | null> {
  return (await getMeta(disk, WRITTEN_BY)) as Writer | null // Its checksum says that this program wrote it.
}

/** Throws VERSION_TOO_OLD when the store has a format of a later version. To be asked before anything else is read. */
export async function assertReadable(disk: Disk, release: Release): Promise<void> {
  const writer = await writerOf(disk)
  if (writer === null || writer.format <= STORE_FORMAT) return
  const detail =
    `${disk.path} was written by raftway ${writer.version} in format ${writer.format}, this is raftway ` +
    `${release.version}, which reads format ${STORE_FORMAT}: start the newer one, it continues from this data`
  throw new RaftwayError('VERSION_TOO_OLD', detail)
}

/** Throws VERSION_TOO_OLD when a state uses features that this program does not know. */
export function assertKnown(
  { featureLevel = LEAST_LEVEL }: { readonly featureLevel?: number | undefined },
  what: string,
  writer: Writer | null = null,
  release: Release = OWN_RELEASE,
): void {
  if (featureLevel <= release.featureLevel) return
  const by = writer === null ? '' : ` and was written by raftway ${writer.version}`
  const detail =
    `${what} uses feature level ${featureLevel}${by}, this is raftway ${release.version}, which knows level ` +
    `${release.featureLevel}: start a newer one, it continues from this data`
  throw new RaftwayError('VERSION_TOO_OLD', detail)
}

/** Writes down that this program writes here from now on. */
export async function noteWriter(disk: Disk, { version }: Release): Promise<void> {
  const known = await writerOf(disk)
  if (known?.version === version && known.format === STORE_FORMAT) return
  const writer: Writer = { version, format: STORE_FORMAT }
  await disk.write({ sync: true, batch: () => [putMeta(WRITTEN_BY, writer)] })
}
