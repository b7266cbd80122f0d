import { BOOTSTRAP_NAME } from '../../shared/definitions/access.ts'
import { FEATURES } from '../../shared/features.ts'
import type { Logger } from '../../shared/logger.ts'
import { formatToken, hashOfSecret } from '../../shared/token-text.ts'
import type { Clock } from '../clock.ts'
import type { RawNode } from '../raft/raw-node.ts'
import { encodeCommand } from '../state-machine/command.ts'
import type { Applier } from './applier.ts'
import type { FeatureGate } from './feature-gate.ts'

/** Where the first admin's token comes from, and where it is told. */
export type BootstrapPort = {
  /** 256 bits of chance as base64url; another one at every call. */
  newSecret(): string
  /** Of the cluster authority's certificate; empty without one. */
  fingerprint(): string
  /** The token, once and nowhere else: it can never be asked for again. */
  announce(token: string): void
}

const CHECK_MS = 100

/**
 * Makes the token of the first admin, on the leader that finds none in the state. Returns the way to stop.
 *
 * It is told before it is proposed: a leader that dies in between has told of a token that is void, and the next one
 * tells of another. The other way round there could be a token that nobody was ever told. The entry is on its way with
 * the next turn of the loop, and a tick later at most.
 */
export function keepBootstrapped(
  parts: {
    /** Left out where nobody needs a token. */
    readonly bootstrap?: BootstrapPort
    readonly clock: Clock
    readonly logger: Logger
  },
  node: {
    readonly raw: RawNode
    readonly applier: Applier
    readonly gate: Pick<FeatureGate, 'admits' | 'taken'>
  },
): () => void {
  const { bootstrap: port, clock, logger } = parts
  const { raw, applier, gate } = node
  if (port === undefined) return () => {}
  // Once a term is enough: within it the log loses nothing.
  let proposedIn = 0
  return clock.every(CHECK_MS, () => {
    // Only with an entry of its own term applied does a leader know that there is none (Raft thesis 6.4).
    const isSure = raw.role === 'leader' && applier.term === raw.term
    if (!isSure || applier.state.access !== null || proposedIn === raw.term) return
    // While an older member is there the token waits: it could not be written into a log that everybody can read.
    if (!gate.admits(FEATURES.access)) return
    const secret = port.newSecret()
    const fingerprint = port.fingerprint()
    port.announce(formatToken({ letter: 't', name: BOOTSTRAP_NAME, secret, fingerprint }))
    const access = {
      bootstrapHash: hashOfSecret(secret),
      forwardingSecret: port.newSecret(),
      atMs: clock.now(),
    }
    const command = { type: 'access', access } as const
    if (raw.propose([encodeCommand(command)]) !== 'ok') return
    gate.taken(command)
    proposedIn = raw.term
    logger.info({ audit: true, action: 'bootstrap-token-made' }, 'the bootstrap token was made')
  })
}
