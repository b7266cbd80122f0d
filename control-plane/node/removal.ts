import { z } from 'zod'
import { RaftwayError } from '../../shared/errors.ts'
import type { Identity } from '../ports.ts'

const KEY = 'removed'

const removalSchema = z.object({ name: z.string(), clusterId: z.string(), atMs: z.number() })

/** Small values that outlive the process. */
type Notes = {
  get(key: string): Promise<unknown>
  put(key: string, value: unknown): Promise<void>
}

/** Writes down that the cluster has taken this node out, and gives the error that ends it: MEMBER_REMOVED. */
export async function noteRemoval(
  notes: Notes,
  node: { readonly name: string; readonly identity: Identity; readonly atMs: number },
): Promise<RaftwayError> {
  const removal = { name: node.name, clusterId: node.identity.clusterId, atMs: node.atMs }
  // If it cannot be written the node learns it again at its next start.
  await notes.put(KEY, removal).catch(() => {})
  return removed(removal)
}

/** Throws MEMBER_REMOVED if the cluster of this data directory has taken its node out before. */
export async function assertNotRemoved(notes: Notes): Promise<void> {
  const note = removalSchema.safeParse(await notes.get(KEY))
  if (note.success) throw removed(note.data)
}

function removed({ name, clusterId, atMs }: z.infer<typeof removalSchema>): RaftwayError {
  return new RaftwayError(
    'MEMBER_REMOVED',
    `${name} was removed from cluster ${clusterId} (known since ${new Date(atMs).toISOString()}): its data is no longer ` +
      'part of that cluster. To take part again, start it with an empty data directory; it then joins as a new member',
  )
}
