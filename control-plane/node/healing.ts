import { z } from 'zod'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import {
  HEAL_GRACE_MS,
  HEAL_MS_MAX,
  HEAL_REST_MS,
  MEMBER_CALL_MS_MAX,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import { nextTurn, type Clock } from '../clock.ts'
import type { NodeAddress, NodeId, RestoredState, Transport } from '../ports.ts'
import type { RawNode } from '../raft/raw-node.ts'
import type { NodeStore } from '../storage/node-store.ts'
import type { Applier } from './applier.ts'
import type { ConsensusLoop } from './consensus-loop.ts'
import type { Leadership } from './leadership.ts'
import type { Snapshots } from './snapshots.ts'
import type { Standings } from './standings.ts'

const CHECK_MS = 250

const callSchema = z.object({ index: z.int().min(0) })

export type HealingParts = {
  readonly self: NodeAddress
  readonly raw: RawNode
  readonly applier: Applier
  readonly store: NodeStore
  readonly loop: ConsensusLoop
  readonly leadership: Leadership
  readonly standings: Standings
  readonly snapshots: Snapshots
  readonly transport: Transport
  readonly clock: Clock
  readonly logger: Logger
  readonly electionMs: number
  /** The state was replaced as a whole. */
  adopt(restored: RestoredState): void
}

/**
 * Gives a node whose config is not that of the others a fresh copy of the state. Its log is sound, and what it
 * acknowledged stands in it: only what was made of it is wrong.
 *
 * The majority decides who is wrong. A follower that differs from the leader asks the leader for its state, unless a
 * majority of the voters is seen to agree with the follower; a leader that differs from a majority hands over, and is
 * then such a follower.
 */
export class Healing {
  readonly #parts: HealingParts
  readonly #stop: () => void
  /** Since when this node, following, is known to differ from the leader. */
  #differsSinceMs: number | null = null
  #isBusy = false
  #isStopped = false
  #restUntilMs = Number.NEGATIVE_INFINITY

  constructor(parts: HealingParts) {
    this.#parts = parts
    this.#stop = parts.clock.every(CHECK_MS, () => this.#check())
  }

  stop(): void {
    this.#isStopped = true
    this.#stop()
  }

  /** A member asks for a copy of this node's state, at an index or later. NOT_LEADER, MEMBERSHIP_REFUSED, TIMEOUT. */
  async onCall(from: NodeId, body: unknown): Promise<null> {
    const { leadership, applier, clock, snapshots, raw } = this.#parts
    leadership.assertLeading()
    const { index } = callSchema.parse(body)
    if (!applier.state.members.has(from)) {
      throw new RaftwayError('MEMBERSHIP_REFUSED', 'only a member is given a copy of the state')
    }
    const deadlineMs = clock.monotonic() + MEMBER_CALL_MS_MAX
    while (applier.index < index && clock.monotonic() < deadlineMs) await pause(clock)
    if (applier.index < index)
      throw new RaftwayError('TIMEOUT', `index ${index} is not applied yet`)
    // Never rejects; how it ends is heard by whoever asked: it waits for the state itself.
    void snapshots.give(from, raw.term)
    return null
  }

  #check(): void {
    const { clock, leadership, standings } = this.#parts
    if (this.#isBusy || clock.monotonic() < this.#restUntilMs) return
    const { agree, differ } = this.#count()
    if (leadership.isLeading) {
      if (differ.length > agree) this.#handOver(differ)
      return
    }
    const leader = leadership.leader()
    if (leader === null || standings.isSame(leader.id) !== false) {
      this.#differsSinceMs = null
      return
    }
    this.#differsSinceMs ??= clock.monotonic()
    const { voters } = this.#parts.applier.confState
    // This node itself agrees with itself.
    if ((agree + 1) * 2 > voters.length) return
    // Whoever has not been heard yet may be of the same config, and so decide otherwise: it is given a moment.
    const unheard = voters.length - 1 - agree - differ.length
    const isDecided = (agree + 1 + unheard) * 2 <= voters.length
    if (!isDecided && clock.monotonic() - this.#differsSinceMs < HEAL_GRACE_MS) return
    this.#begin(() => this.#heal(leader))
  }

  /** How many other voters have this node's config, and which have another. */
  #count(): { readonly agree: number; readonly differ: readonly NodeId[] } {
    const { applier, self, standings } = this.#parts
    const others = applier.confState.voters.filter((id) => id !== self.id)
    return {
      agree: others.filter((id) => standings.isSame(id) === true).length,
      differ: others.filter((id) => standings.isSame(id) === false),
    }
  }

  #handOver(to: readonly NodeId[]): void {
    const { leadership, logger, electionMs } = this.#parts
    logger.error({ differ: to.length }, 'this leader differs from a majority: it hands over')
    this.#begin(async () => {
      await leadership.transfer(null, 2 * electionMs, new Set(to))
    })
  }

  #begin(work: () => Promise<void>): void {
    const { clock, logger } = this.#parts
    this.#isBusy = true
    work()
      .catch((error: unknown) => {
        logger.warn({ reason: describeError(error) }, 'healing did not succeed; it is tried again')
      })
      .finally(() => {
        this.#isBusy = false
        this.#restUntilMs = clock.monotonic() + HEAL_REST_MS
      })
  }

  async #heal(leader: NodeAddress): Promise<void> {
    const { logger, loop } = this.#parts
    logger.error({ leader: leader.name }, 'this config DIFFERS from the leader: asking for a copy')
    // While nothing is applied the copy cannot be older than what it replaces.
    await loop.whileNothingIsApplied(() => this.#replace(leader))
    logger.warn({ leader: leader.name }, 'the config was replaced by a copy of the leader')
  }

  async #replace(leader: NodeAddress): Promise<void> {
    const { applier, clock, raw, snapshots, store, transport } = this.#parts
    const before = applier.index
    const deadlineMs = clock.monotonic() + HEAL_MS_MAX
    const asked = snapshots.expectFrom(leader.id)
    try {
      const call = { type: 'heal', body: { index: before } }
      await transport.call(leader.peer, call, 2 * MEMBER_CALL_MS_MAX)
      let staged = asked.staged()
      for (; staged === null; staged = asked.staged()) await this.#wait(deadlineMs)
      const { index } = staged.meta
      // What it holds must be in the log: a restart finds both.
      while (raw.commit < index || store.log.lastIndex() < index) await this.#wait(deadlineMs)
      if (changesMembership(store.log, before, index)) {
        throw new RaftwayError('MEMBERSHIP_CHANGE_PENDING', 'the membership changes just now')
      }
      this.#parts.adopt(await store.replaceState(staged.incoming))
    } finally {
      await asked.end()
    }
  }

  async #wait(deadlineMs: number): Promise<void> {
    const { clock } = this.#parts
    if (this.#isStopped) throw new RaftwayError('STOPPING', 'this node is stopping')
    if (clock.monotonic() > deadlineMs) throw new RaftwayError('TIMEOUT', 'the copy did not come')
    await pause(clock)
  }
}

/** Changes of membership must go through the core, which a replaced state passes by. */
function changesMembership(log: NodeStore['log'], after: number, upTo: number): boolean {
  if (upTo <= after) return false
  const entries = log.entries(after + 1, upTo + 1, Number.POSITIVE_INFINITY)
  return typeof entries === 'string' || entries.some(({ type }) => type !== 'normal')
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.after(10, () => void nextTurn(clock).then(resolve))
  })
}
