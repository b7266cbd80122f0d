/**
 * A persistent map from text to values: a radix tree whose edges carry as much text as has no fork in it. The one
 * structure under the routing table. A change copies the nodes from the root to the changed one and shares the rest,
 * so that its cost depends on the length of the key and not on the number of keys. A node's children are sorted by
 * the code unit that they begin with, so entries come in the order of their keys.
 *
 *     update(update(update(null, 'pets'), 'petshop'), 'plan')      p ─┬─ ets ● ── hop ●
 *                                                                     └─ lan ●
 */
export type Tree<V> = Node<V> | null

export type Node<V> = {
  /** Who may change this node in place; null once nobody may. */
  edit: Edit
  /** The text between the parent's key and this node's. Empty only in a root. */
  label: string
  /** First code unit of each child's label, ascending, in step with `children`. */
  codes: number[]
  children: Node<V>[]
  /** Present at keys, absent at forks. A node without value has at least two children. */
  value: V | undefined
}

/**
 * The right to change in place what was made under the same token. One change of the table holds one token and drops
 * it at the end: what it made is shared from then on. Tokens have no content; only their identity counts.
 */
export type Edit = { readonly token: null }

/** A fresh right to change: owns nothing yet. */
export function newEdit(): Edit {
  return { token: null }
}

/**
 * The tree with the value at `key` replaced by what `change` makes of it; `undefined` stands for no value, before and
 * after. The same tree when `change` returns what it was given.
 */
export function update<V>(
  tree: Tree<V>,
  key: string,
  change: (value: V | undefined) => V | undefined,
  edit: Edit,
): Tree<V> {
  return updateFrom(tree, { key, change, edit }, 0)
}

/** The value at `key`, or undefined. */
export function valueAt<V>(tree: Tree<V>, key: string): V | undefined {
  let node = tree
  let at = 0
  while (node !== null) {
    if (!key.startsWith(node.label, at)) return undefined
    at += node.label.length
    if (at === key.length) return node.value
    node = childOf(node, key.charCodeAt(at))
  }
  return undefined
}

/** The child whose label begins with a code unit, or null. */
export function childOf<V>(node: Node<V>, code: number): Node<V> | null {
  const at = placeOf(node.codes, code)
  return node.codes[at] === code ? (node.children[at] ?? null) : null
}

/** Keys and values in the order of the keys, by code unit. */
export function* entries<V>(
  tree: Tree<V>,
  above = '',
): Generator<readonly [key: string, value: V]> {
  if (tree === null) return
  const key = above + tree.label
  if (tree.value !== undefined) yield [key, tree.value]
  for (const child of tree.children) yield* entries(child, key)
}

type Step<V> = {
  readonly key: string
  readonly change: (value: V | undefined) => V | undefined
  readonly edit: Edit
}

function updateFrom<V>(node: Tree<V>, step: Step<V>, at: number): Tree<V> {
  const { key, change, edit } = step
  if (node === null) return leafAt(step, at)
  const common = commonLength(node.label, key, at)
  if (common < node.label.length) return fork(node, step, { at, common })

  const next = at + common
  if (next === key.length) {
    const value = change(node.value)
    if (value === node.value) return node
    const mine = owned(node, edit)
    mine.value = value
    return tidied(mine, edit)
  }
  const place = placeOf(node.codes, key.charCodeAt(next))
  const isKnown = node.codes[place] === key.charCodeAt(next)
  const before = isKnown ? (node.children[place] ?? null) : null
  const after = updateFrom(before, step, next)
  if (after === before) return node
  const mine = owned(node, edit)
  if (after === null) return tidied(withoutChild(mine, place), edit)
  if (before === null) return withChild(mine, place, after)
  mine.children[place] = after
  return mine
}

function leafAt<V>(step: Step<V>, at: number): Tree<V> {
  const value = step.change(undefined)
  if (value === undefined) return null
  return { edit: step.edit, label: step.key.slice(at), codes: [], children: [], value }
}

/** The key leaves the node's label inside it: a new node stands where they part. */
function fork<V>(
  node: Node<V>,
  step: Step<V>,
  where: { readonly at: number; readonly common: number },
): Node<V> {
  const { edit, key } = step
  const leaf = leafAt(step, where.at + where.common)
  if (leaf === null) return node
  const parent: Node<V> = {
    edit,
    label: node.label.slice(0, where.common),
    codes: [],
    children: [],
    value: undefined,
  }
  const below = owned(node, edit)
  below.label = node.label.slice(where.common)
  withChild(parent, 0, below)
  if (where.at + where.common === key.length) parent.value = leaf.value
  else withChild(parent, placeOf(parent.codes, leaf.label.charCodeAt(0)), leaf)
  return parent
}

/** Restores the invariant of a node that lost its value or a child: no value means at least two children. */
function tidied<V>(node: Node<V>, edit: Edit): Tree<V> {
  if (node.value !== undefined || node.children.length > 1) return node
  const only = node.children[0]
  if (only === undefined) return null
  const merged = owned(only, edit)
  merged.label = node.label + only.label
  return merged
}

function owned<V>(node: Node<V>, edit: Edit): Node<V> {
  if (node.edit === edit) return node
  const { label, codes, children, value } = node
  return { edit, label, codes: codes.slice(), children: children.slice(), value }
}

function withChild<V>(node: Node<V>, place: number, child: Node<V>): Node<V> {
  node.codes.splice(place, 0, child.label.charCodeAt(0))
  node.children.splice(place, 0, child)
  return node
}

function withoutChild<V>(node: Node<V>, place: number): Node<V> {
  node.codes.splice(place, 1)
  node.children.splice(place, 1)
  return node
}

/** Where `code` is in ascending `codes`, or where it belongs. */
function placeOf(codes: readonly number[], code: number): number {
  let low = 0
  let high = codes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((codes[middle] ?? 0) < code) low = middle + 1
    else high = middle
  }
  return low
}

function commonLength(label: string, key: string, at: number): number {
  const longest = Math.min(label.length, key.length - at)
  let common = 0
  while (common < longest && label.charCodeAt(common) === key.charCodeAt(at + common)) common++
  return common
}
