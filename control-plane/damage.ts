import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError, isRaftwayError, RaftwayError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { readMemberCard, type MemberCard } from './cluster/member-card.ts'
import { assertNothingLost } from './node/lost-entries.ts'
import type { NodeStore } from './storage/node-store.ts'
import { openStoreIn } from './storage/open-store.ts'

/** A store that is open, and who this node was if it has lost what it knew as a member. */
export type OpenedStore = { readonly store: NodeStore; readonly lost: MemberCard | null }

/**
 * Opens the store of a data directory. One that is damaged, of a node with other members, is moved aside (and kept),
 * and a fresh one is opened in its place: what this node voted and acknowledged is no longer known, so it must not come
 * back as the member that it was. It asks its cluster to take it in anew instead, in the place of that member.
 *
 * A damaged store of a node that has nobody else to learn from stays where it is: STORAGE_CORRUPT.
 */
export async function openOrReplace(options: {
  readonly dataDir: string
  /** Whether a damaged store may be replaced at all. */
  readonly mayHeal: boolean
  readonly logger: Logger
}): Promise<OpenedStore> {
  const { dataDir, mayHeal, logger } = options
  const card = await readMemberCard(dataDir)
  const hasOthers = card !== null && card.members.some(({ id }) => id !== card.nodeId)
  let store: NodeStore
  try {
    store = await openWhole(dataDir, logger)
  } catch (error) {
    if (!isRaftwayError(error, 'STORAGE_CORRUPT')) throw error
    if (!mayHeal || !hasOthers) throw withoutWayOut(error, mayHeal)
    const aside = await moveAside(dataDir)
    logger.error(
      { reason: describeError(error), aside, member: card.name, nodeId: card.nodeId },
      'the data of this node is DAMAGED: it is kept aside, and the cluster is asked to replace this member',
    )
    store = await openStoreIn(dataDir, logger)
  }
  if (store.identity !== null || card === null || !mayHeal) return { store, lost: null }
  if (!hasOthers) {
    await store.close()
    const detail = `${dataDir} belonged to the only member of cluster ${card.clusterId}, and its database is gone`
    throw withoutWayOut(new RaftwayError('STORAGE_CORRUPT', detail), mayHeal)
  }
  logger.warn(
    { clusterId: card.clusterId, member: card.name, nodeId: card.nodeId },
    'this node was a member and has lost its data: it asks to be taken in in the place of that member',
  )
  return { store, lost: card }
}

/** A store that can be read, and is not known to have lost what it once held. */
async function openWhole(dataDir: string, logger: Logger): Promise<NodeStore> {
  const store = await openStoreIn(dataDir, logger)
  try {
    await assertNothingLost(store.notes)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

function withoutWayOut(error: RaftwayError, mayHeal: boolean): RaftwayError {
  const why = mayHeal
    ? 'This node knows no other member to learn from: restore a backup into a fresh data directory'
    : 'It is not healed because --heal-corrupt is off: empty the data directory, and let the node join again'
  return new RaftwayError('STORAGE_CORRUPT', `${error.message}. ${why}.`, {
    cause: error,
    extra: error.extra,
  })
}

/** `db` becomes `db.corrupt-<n>`, with the next free number. */
async function moveAside(dataDir: string): Promise<string> {
  const names = await readdir(dataDir)
  const numbers = names.map((name) => Number(/^db\.corrupt-(\d+)$/.exec(name)?.[1] ?? 0))
  const aside = join(dataDir, `db.corrupt-${Math.max(0, ...numbers) + 1}`)
  await rename(join(dataDir, 'db'), aside)
  return aside
}
