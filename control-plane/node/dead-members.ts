import { describeError } from '../../shared/errors.ts'
import { DEAD_CHECK_MS_MAX, FORM_LOG_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { NodeAddress, NodeId, Transport } from '../ports.ts'
import type { Applier } from './applier.ts'
import type { Leadership } from './leadership.ts'
import type { MembershipChanges } from './membership-changes.ts'

/** When a silent member is taken out without being asked. */
export type DeadMemberRule = {
  /** Milliseconds without a word from it. */
  readonly afterMs: number
  /** So many voters stay, whatever happens. */
  readonly votersMin: number
}

export type DeadMembersParts = {
  /** Null: nobody is ever taken out. */
  readonly removeDead: DeadMemberRule | null
  readonly self: NodeAddress
  readonly applier: Applier
  readonly leadership: Leadership
  readonly changes: MembershipChanges
  readonly transport: Transport
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Takes members out that have been silent for long, if the operator has asked for that: on the leader, one at a time, and
 * only while enough voters stay and a majority of those is heard.
 *
 * Silence is summed up from check to check, each counting for little more than its interval, and only while this node
 * leads: a machine that slept, or a node that has just come to lead, knows nothing of the time before.
 */
export class DeadMembers {
  readonly #parts: DeadMembersParts
  readonly #silentMs = new Map<NodeId, number>()
  readonly #stop: () => void
  #checkedMs: number
  #isRemoving = false
  #loggedMs = -Infinity
  #removed = 0

  constructor(parts: DeadMembersParts) {
    const { removeDead, clock } = parts
    this.#parts = parts
    this.#checkedMs = clock.monotonic()
    this.#stop =
      removeDead === null
        ? () => {}
        : clock.every(Math.min(DEAD_CHECK_MS_MAX, removeDead.afterMs / 10), () =>
            this.#check(removeDead),
          )
  }

  /** Members that this node has taken out by itself since it started. */
  get removed(): number {
    return this.#removed
  }

  stop(): void {
    this.#stop()
  }

  #check(rule: DeadMemberRule): void {
    const { applier, leadership, clock, self, transport } = this.#parts
    const nowMs = clock.monotonic()
    const elapsedMs = nowMs - this.#checkedMs
    this.#checkedMs = nowMs
    const others = [...applier.state.members.values()].filter(({ id }) => id !== self.id)
    for (const id of this.#silentMs.keys()) {
      if (!leadership.isLeading || !others.some((one) => one.id === id)) this.#silentMs.delete(id)
    }
    if (!leadership.isLeading) return
    const countedMs = Math.min(elapsedMs, 2 * Math.min(DEAD_CHECK_MS_MAX, rule.afterMs / 10))
    for (const { id } of others) {
      const isHeard = (transport.lastHeardMs(id) ?? Infinity) <= elapsedMs
      this.#silentMs.set(id, isHeard ? 0 : (this.#silentMs.get(id) ?? 0) + countedMs)
    }
    const dead = others
      .filter(({ id }) => (this.#silentMs.get(id) ?? 0) >= rule.afterMs)
      .toSorted((a, b) => (this.#silentMs.get(b.id) ?? 0) - (this.#silentMs.get(a.id) ?? 0))
    const [longest] = dead
    if (longest !== undefined && !this.#isRemoving) void this.#remove(longest, rule)
  }

  /** Never rejects. */
  async #remove(member: NodeAddress, { afterMs, votersMin }: DeadMemberRule): Promise<void> {
    const { applier, changes, logger } = this.#parts
    const silentMs = Math.round(this.#silentMs.get(member.id) ?? 0)
    const { voters } = applier.confState
    const rest = voters.filter((id) => id !== member.id)
    if (rest.length < voters.length && rest.length < votersMin) {
      return this.#log(
        { member: member.name, silentMs, voters: voters.length, votersMin },
        'a dead member stays: too few voters would be left (--remove-dead-min)',
      )
    }
    this.#isRemoving = true
    try {
      logger.error(
        { member: member.name, silentMs, afterMs },
        'takes a dead member out (--remove-dead-after)',
      )
      await changes.remove(member.name)
      this.#removed++
      this.#silentMs.delete(member.id)
    } catch (error) {
      this.#log({ member: member.name, silentMs }, `a dead member stays: ${describeError(error)}`)
    } finally {
      this.#isRemoving = false
    }
  }

  /** The same is worth saying now and then, not at every check. */
  #log(fields: object, text: string): void {
    const nowMs = this.#parts.clock.monotonic()
    if (nowMs - this.#loggedMs < 12 * FORM_LOG_MS) return
    this.#loggedMs = nowMs
    this.#parts.logger.warn(fields, text)
  }
}
