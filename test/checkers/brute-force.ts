// The dumb second implementation of the linearizability checker: every order of the calls, every choice of which of
// the uncertain ones happened, every revision that they could have had. For a handful of calls only.
import { callsOf, valueText, type Call, type Operation } from './history.ts'

type Entry = { readonly value: string; readonly revision: number } | null

/** Whether some order of the calls of one key explains every answer. */
export function isLinearizableByForce(history: readonly Operation[]): boolean {
  const calls = callsOf(history)
  const revisions = calls.flatMap(({ revision, ifRevision }) => [revision ?? 0, ifRevision ?? 0])
  const revisionMax = Math.max(0, ...revisions) + calls.length
  return canFinish({ left: calls, entry: null, newest: 0, revisionMax })
}

type Situation = {
  readonly left: readonly Call[]
  readonly entry: Entry
  readonly newest: number
  readonly revisionMax: number
}

function canFinish(situation: Situation): boolean {
  const { left } = situation
  if (left.every(({ outcome }) => outcome === 'info')) return true
  return left.some((call) => {
    const mayComeNow = left.every((other) => other === call || other.endedAt > call.invokedAt)
    return mayComeNow && outcomes(situation, call).some((next) => canFinish(next))
  })
}

/** Everything that could be after `call`; nothing when its answer would be wrong. */
function outcomes(situation: Situation, call: Call): Situation[] {
  const { entry, newest, revisionMax } = situation
  const left = situation.left.filter((other) => other !== call)
  const same = { ...situation, left }
  const standing = entry?.revision ?? 0
  if (call.outcome === 'fail') {
    if (call.revision === null) return [same]
    const isRefused = call.op === 'delete' && entry === null ? true : refuses(call, standing)
    return isRefused && call.revision === standing ? [same] : []
  }
  if (call.op === 'get') {
    if (call.outcome === 'info') return [same]
    const wasRead = call.read === null ? null : valueText(call.read)
    return wasRead === (entry?.value ?? null) && (call.revision ?? 0) === standing ? [same] : []
  }
  if (refuses(call, standing) || (call.op === 'delete' && entry === null)) return []
  const revisions = call.outcome === 'ok' ? [call.revision ?? 0] : upTo(newest + 1, revisionMax)
  return revisions
    .filter((revision) => revision > newest)
    .map((revision) => ({
      left,
      entry: call.op === 'delete' ? null : { value: valueText(call.wanted), revision },
      newest: revision,
      revisionMax,
    }))
}

function refuses({ ifRevision }: Call, standing: number): boolean {
  return ifRevision !== null && ifRevision !== standing
}

function upTo(low: number, high: number): number[] {
  return Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => low + i)
}
