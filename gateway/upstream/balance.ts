import { unreachable } from '../../shared/assert.ts'
import type { Random } from '../../shared/random.ts'
import type { Balance } from '../../shared/definitions/upstream.ts'
import type { TargetState } from './target-state.ts'

/** What selection reads of one target. */
export type Candidate = {
  /** 0 is never chosen. Less than the configured one while the target starts slowly. */
  readonly weight: number
  /** Hash of the target's address: its place among clients, whatever the other targets are. */
  readonly seed: number
  readonly state: TargetState
}

/** Who asks, and what may not be chosen. Filled in anew for each request by whoever owns it. */
export type Selection<T> = {
  /** What `ip-hash` and `hash` choose by. */
  key: string
  /** Targets that failed this request. Taken again only when nothing else is left. */
  tried: readonly T[]
  readonly random: Random
}

/** The target for the next request, or null when every weight is 0. */
export function selectTarget<T extends Candidate>(
  balance: Balance,
  targets: readonly T[],
  selection: Selection<T>,
): T | null {
  if (targets.length === 1) return (targets[0]?.weight ?? 0) > 0 ? (targets[0] ?? null) : null
  const { tried } = selection
  if (tried.length === 0) return choose(balance, targets, selection)
  const untried = targets.filter((target) => !tried.includes(target))
  return choose(balance, untried, selection) ?? choose(balance, targets, selection)
}

function choose<T extends Candidate>(
  balance: Balance,
  targets: readonly T[],
  selection: Selection<T>,
): T | null {
  switch (balance) {
    case 'round-robin':
      return roundRobin(targets)
    case 'least-connections':
      return leastConnections(targets)
    case 'ip-hash':
    case 'hash':
      return byKey(targets, selection.key)
    case 'random-two-choices':
      return twoChoices(targets, selection.random)
    default:
      return unreachable(balance)
  }
}

/**
 * Smooth weighted round robin: every target is credited its weight, the richest is chosen and pays for all. Weights
 * 5, 1, 1 give a a b a c a a, not a a a a a b c. Source: nginx, commit 52327e0627f4.
 */
function roundRobin<T extends Candidate>(targets: readonly T[]): T | null {
  let best: T | null = null
  let total = 0
  for (const target of targets) {
    if (target.weight === 0) continue
    target.state.credit += target.weight
    total += target.weight
    if (best === null || target.state.credit > best.state.credit) best = target
  }
  if (best !== null) best.state.credit -= total
  return best
}

/** Fewest calls under way for its weight; among equals in turn, so that an idle upstream is not one target. */
function leastConnections<T extends Candidate>(targets: readonly T[]): T | null {
  let least = Number.POSITIVE_INFINITY
  for (const target of targets) {
    if (target.weight > 0) least = Math.min(least, load(target))
  }
  let best: T | null = null
  let total = 0
  for (const target of targets) {
    if (target.weight === 0 || load(target) > least) continue
    target.state.credit += target.weight
    total += target.weight
    if (best === null || target.state.credit > best.state.credit) best = target
  }
  if (best !== null) best.state.credit -= total
  return best
}

/**
 * Weighted rendezvous hashing: each target draws a lot for the client, the best lot wins. A client moves only when its
 * own target goes or a better one comes. Source: Thaler and Ravishankar 1998; weights by -w / ln(u).
 */
function byKey<T extends Candidate>(targets: readonly T[], key: string): T | null {
  const client = hashText(key)
  let best: T | null = null
  let bestScore = -1
  for (const target of targets) {
    if (target.weight === 0) continue
    const lot = (mix(client ^ target.seed) + 1) / 0x1_0000_0001
    const score = -target.weight / Math.log(lot)
    if (score > bestScore) {
      best = target
      bestScore = score
    }
  }
  return best
}

/** Two draws by weight, and the less loaded of the two. Source: Mitzenmacher 2001. */
function twoChoices<T extends Candidate>(targets: readonly T[], random: Random): T | null {
  const first = drawByWeight(targets, null, random)
  if (first === null) return null
  const second = drawByWeight(targets, first, random)
  if (second === null) return first
  return load(second) < load(first) ? second : first
}

function drawByWeight<T extends Candidate>(
  targets: readonly T[],
  except: T | null,
  random: Random,
): T | null {
  let total = 0
  for (const target of targets) if (target !== except) total += target.weight
  if (total === 0) return null
  // A whole number where all weights are.
  let left = draw(random, total)
  for (const target of targets) {
    if (target === except) continue
    left -= target.weight
    if (left < 0) return target
  }
  return null
}

/** A number in 0 ≤ x < `total`, whole or not. */
export function draw(random: Random, total: number): number {
  return (random.next() / 0x1_0000_0000) * total
}

export function load(target: Candidate): number {
  return target.state.inFlight / target.weight
}

/** FNV-1a, 32 bits, then mixed so that near texts lie far apart. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  return mix(hash)
}

/** The finalizer of MurmurHash3. */
export function mix(value: number): number {
  let mixed = value ^ (value >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
