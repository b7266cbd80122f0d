import { canonicalJson } from '../shared/canonical-json.ts'
import { definitionKey } from '../shared/changes.ts'
import { isAccessKind, kindOf } from '../shared/definitions/kinds.ts'

/** A definition as far as comparing goes: from a file or from a node. */
export type Comparable = {
  readonly kind: string
  readonly name: string
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly spec?: unknown
}

/** What applying files would do to one definition. `before` and `after` are null where it does not exist. */
export type PlannedChange = {
  readonly change: 'created' | 'changed' | 'unchanged' | 'deleted'
  readonly kind: string
  readonly name: string
  readonly before: Comparable | null
  readonly after: Comparable | null
}

/**
 * What differs between wanted definitions and those that stand: in the order of `wanted`, then, when `prune` says so,
 * what nobody wants any more.
 */
export function planChanges(
  wanted: readonly Comparable[],
  standing: readonly Comparable[],
  options: { readonly prune: boolean },
): readonly PlannedChange[] {
  const left = new Map(standing.map((one) => [definitionKey(one.kind, one.name), one]))
  const plan: PlannedChange[] = wanted.map((after) => {
    const key = definitionKey(after.kind, after.name)
    const before = left.get(key) ?? null
    left.delete(key)
    const { kind, name } = after
    const change = before === null ? 'created' : isSame(before, after) ? 'unchanged' : 'changed'
    return { change, kind, name, before, after }
  })
  if (!options.prune) return plan
  const surplus = [...left.values()].filter(isPruned).map((before): PlannedChange => ({
    change: 'deleted',
    kind: before.kind,
    name: before.name,
    before,
    after: null,
  }))
  return [...plan, ...surplus]
}

/** Who may do what is never deleted by leaving it out. */
function isPruned({ kind }: Comparable): boolean {
  const known = kindOf(kind)
  return known === null || !isAccessKind(known)
}

/** The members that users write, without the numbers that the cluster gives. No labels and none given are the same. */
export function userPart(definition: Comparable): Comparable {
  const { kind, name, labels, spec } = definition
  const hasLabels = labels !== undefined && Object.keys(labels).length > 0
  return hasLabels ? { kind, name, labels, spec } : { kind, name, spec }
}

function isSame(a: Comparable, b: Comparable): boolean {
  return canonicalJson(userPart(a)) === canonicalJson(userPart(b))
}
