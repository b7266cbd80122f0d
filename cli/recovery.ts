import type { Refounded, Survivor } from '../control-plane/offline.ts'
import type { Terminal } from './command.ts'

/** What a person types who has read what may be lost. */
export const CONFIRMATION = 'force new cluster'

/** What is about to happen, and what may be lost by it. */
export function explainRecovery(survivor: Survivor): string {
  const { identity, self, members, term, commitIndex, lastIndex, revision, definitions } = survivor
  const others = members.filter(({ id }) => id !== self.id).map(({ name }) => name)
  const unknown = lastIndex - commitIndex
  return `This makes a NEW cluster of one from what ${self.name || 'this node'} has on its disk.

  old cluster   ${identity.clusterId}, members ${members.map(({ name }) => name).join(', ')}
  this node     revision ${revision}, ${definitions} definitions, log up to index ${lastIndex} of term ${term}
  kept          everything in its log; ${unknown} of its entries were not known to be committed, and are
                kept because their writers may have been told that they are

What may be LOST: every write that was acknowledged and never reached this node. It was safe on a majority of the
old members, and if that majority can be brought back, it still is: then do not do this, start those nodes instead.
Of several survivors, recover the one with the highest log index, and only that one.

Afterwards ${others.length === 0 ? 'the old data directories of other members' : others.join(', ')} must never be started on old data as if they belonged here:
the new cluster has another id and refuses them. Empty their data directories and let them join this node.`
}

/** Asks for a word to be typed, and says whether it was. */
export async function isTyped(
  terminal: Pick<Terminal, 'say' | 'stdin'>,
  word: string,
): Promise<boolean> {
  terminal.say(`\nType "${word}" to go on:`)
  let text = ''
  for await (const piece of terminal.stdin) {
    text += piece.toString()
    if (text.includes('\n') || text.length > 1_000) break
  }
  return text.split('\n', 1).join().trim() === word
}

/** What was done. */
export function tellRecovery(survivor: Survivor, refounded: Refounded): string {
  const { identity, self, appliedIndex, lastIndex, revision, members } = survivor
  const gone = members.filter(({ id }) => id !== self.id).map(({ name }) => name)
  return [
    `cluster ${identity.clusterId} became cluster ${refounded.clusterId}`,
    `log entries ${appliedIndex + 1} to ${lastIndex} were applied`,
    `revision ${revision} became ${refounded.revision}; older history is compacted`,
    `no longer members: ${gone.length === 0 ? 'nobody' : gone.join(', ')}`,
    'start the node as before, then let fresh nodes --join it',
  ]
    .map((line) => `${line}\n`)
    .join('')
}
