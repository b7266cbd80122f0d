import { RaftwayError } from '../../shared/errors.ts'
import { LEAST_LEVEL, levelOf } from '../../shared/features.ts'
import type { Command, NodeAddress } from '../ports.ts'
import { levelOfCommand } from '../state-machine/feature-level.ts'

/**
 * Keeps what a member does not know out of the log. Every member must be able to apply every entry, so a new kind of
 * command or definition is proposed only once all of them announce its level, and whoever knows less than the log has
 * used is not taken in. What is proposed counts from then on, not from when it is applied: a newcomer as a member, a
 * command as used. Or the one could be decided before the other is there to be seen, and be applied after it.
 */
export class FeatureGate {
  readonly #levelOf: (command: Command) => number
  readonly #applied: { readonly state: { readonly featureLevel: number } }
  readonly #known: () => readonly NodeAddress[]
  /** What commands need that this leader has taken. */
  #taken: number = LEAST_LEVEL

  /**
   * `levelOfCommand` says what a command needs, as this program has it unless given; `applied.state` what the log has
   * used; `known` gives every member as it is now, by its own word, and whoever is on the way to become one.
   */
  constructor(
    options: { readonly levelOfCommand?: (command: Command) => number },
    applied: { readonly state: { readonly featureLevel: number } },
    known: () => readonly NodeAddress[],
  ) {
    this.#levelOf = options.levelOfCommand ?? levelOfCommand
    this.#applied = applied
    this.#known = known
  }

  /** The members as they are by their own word. */
  get members(): readonly NodeAddress[] {
    return this.#known()
  }

  /** What every member knows. */
  get level(): number {
    const levels = this.members.map(levelOf)
    return levels.length === 0 ? LEAST_LEVEL : Math.min(...levels)
  }

  /** Whether every member knows features of this level. */
  admits(level: number): boolean {
    return level <= this.level
  }

  /** Throws FEATURE_UNAVAILABLE, with `extra.behind`: who does not know what the command needs. */
  assertAdmitted(command: Command): void {
    const needed = this.#levelOf(command)
    if (needed <= LEAST_LEVEL) return
    const behind = this.members.filter((member) => levelOf(member) < needed)
    if (behind.length === 0) return
    const who = behind.map((member) => `${member.name} (${programOf(member)})`).join(', ')
    const detail = `the write needs feature level ${needed}, which not every member knows: upgrade ${who}`
    throw new RaftwayError('FEATURE_UNAVAILABLE', detail, {
      extra: {
        featureLevel: needed,
        behind: behind.map((member) => ({
          name: member.name,
          version: member.release?.version ?? null,
          featureLevel: levelOf(member),
        })),
      },
    })
  }

  /** A command that was admitted goes into the log. */
  taken(command: Command): void {
    this.#taken = Math.max(this.#taken, this.#levelOf(command))
  }

  /** Leadership changed: what was taken may be lost. The next leader waits until it has applied what is not. */
  forgetTaken(): void {
    this.#taken = LEAST_LEVEL
  }

  /**
   * Throws VERSION_TOO_OLD for a node that could not apply what the log holds. The newcomer must be proposed in the same
   * turn.
   */
  assertMayJoin(newcomer: NodeAddress): void {
    const used = Math.max(this.#applied.state.featureLevel, this.#taken)
    if (levelOf(newcomer) >= used) return
    throw new RaftwayError(
      'VERSION_TOO_OLD',
      `${newcomer.name} (${programOf(newcomer)}) cannot join: this cluster uses feature level ${used}; upgrade it first`,
    )
  }
}

/** What a member runs, for people. */
function programOf({ release }: NodeAddress): string {
  if (release === undefined) return 'of unknown version'
  return `raftway ${release.version}, feature level ${release.featureLevel}`
}
