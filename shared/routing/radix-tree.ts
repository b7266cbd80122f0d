import { textOf, type Key } from './bytes.ts'

/**
 * A persistent map from texts to values: a radix tree whose edges carry as many bytes as have no fork in them. The one
 * structure under the routing table. A change copies the nodes from the root to the changed one and shares the rest,
 * so that its cost depends on the length of the key and not on the number of keys. Children are sorted by the byte
 * that they begin with, so entries come in the order of their keys.
 *
 *     pets, petshop, plan      p ─┬─ ets ● ── hop ●
 *                                 └─ lan ●
 *
 * A large tree is read from memory that no cache holds, so what counts is how many objects a step touches: the node,
 * its branches, and its label only where that has more than the byte that led to the node (test/bench/table.ts).
 */
export type Tree<V> = Node<V> | null

export type Node<V> = {
  /** Who may change this node in place. */
  readonly edit: Edit
  /** Length of the label. */
  size: number
  /** Present at keys, absent at forks. A node without value has at least two children. */
  value: V | undefined
  branches: Branches<V>
  /** The bytes between the parent's key and this node's. Empty only in a root. */
  label: Key
}

/** By turns the first byte of a child's label, ascending, and the child. Never changed in place. */
type Branches<V> = readonly (number | Node<V>)[]

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
  key: Key,
  change: (value: V | undefined) => V | undefined,
  edit: Edit,
): Tree<V> {
  return updateFrom(tree, { key, change, edit }, 0)
}

/** The value at `key`, or undefined. */
export function valueAt<V>(tree: Tree<V>, key: Key): V | undefined {
  let node = tree
  let at = 0
  while (node !== null) {
    if (commonLength(node.label, key, at) < node.size) return undefined
    at += node.size
    if (at === key.length) return node.value
    node = childOf(node, key[at] ?? 0)
  }
  return undefined
}

/** The child whose label begins with a byte, or null. */
export function childOf<V>(node: Node<V>, code: number): Node<V> | null {
  const { branches } = node
  const at = placeOf(branches, code)
  return branches[at] === code ? childAt(branches, at) : null
}

/** Keys and values in the order of the keys, by byte. */
export function* entries<V>(tree: Tree<V>): Generator<readonly [key: string, value: V]> {
  if (tree !== null) yield* entriesBelow(tree, [])
}

function* entriesBelow<V>(node: Node<V>, above: Key): Generator<readonly [key: string, value: V]> {
  const key = [...above, ...node.label]
  if (node.value !== undefined) yield [textOf(key), node.value]
  for (let at = 0; at < node.branches.length; at += 2) {
    yield* entriesBelow(childAt(node.branches, at), key)
  }
}

type Step<V> = {
  readonly key: Key
  readonly change: (value: V | undefined) => V | undefined
  readonly edit: Edit
}

function updateFrom<V>(node: Tree<V>, step: Step<V>, at: number): Tree<V> {
  if (node === null) return leafAt(step, at)
  const common = commonLength(node.label, step.key, at)
  if (common < node.size) return forked(node, step, at, common)
  const next = at + common
  if (next < step.key.length) return updateBelow(node, step, next)

  const value = step.change(node.value)
  if (value === node.value) return node
  const mine = owned(node, step.edit)
  mine.value = value
  return tidied(mine, step.edit)
}

function updateBelow<V>(node: Node<V>, step: Step<V>, at: number): Tree<V> {
  const { edit } = step
  const code = step.key[at] ?? 0
  const place = placeOf(node.branches, code)
  const before = node.branches[place] === code ? childAt(node.branches, place) : null
  const after = updateFrom(before, step, at)
  if (after === before) return node
  const mine = owned(node, edit)
  if (after === null) {
    mine.branches = node.branches.toSpliced(place, 2)
    return tidied(mine, edit)
  }
  mine.branches = node.branches.toSpliced(place, before === null ? 0 : 2, code, after)
  return mine
}

/** Stands for every leaf's branches. */
const NO_BRANCHES: readonly never[] = []

function leafAt<V>(step: Step<V>, at: number): Node<V> | null {
  const value = step.change(undefined)
  if (value === undefined) return null
  const label = step.key.slice(at)
  return { edit: step.edit, size: label.length, value, branches: NO_BRANCHES, label }
}

/** The key leaves the node's label inside it, after `common` bytes: a new node stands where they part. */
function forked<V>(node: Node<V>, step: Step<V>, at: number, common: number): Node<V> {
  const leaf = leafAt(step, at + common)
  if (leaf === null) return node
  const parent = { edit: step.edit, size: common, label: node.label.slice(0, common) }
  const below = relabelled(node, node.label.slice(common), step.edit)
  const code = below.label[0] ?? 0
  const leafCode = leaf.label[0]
  // The key ends where the label forks.
  if (leafCode === undefined) return { ...parent, value: leaf.value, branches: [code, below] }
  const branches = leafCode < code ? [leafCode, leaf, code, below] : [code, below, leafCode, leaf]
  return { ...parent, value: undefined, branches }
}

/** Restores the invariant of a node that lost its value or a child: no value means at least two children. */
function tidied<V>(node: Node<V>, edit: Edit): Tree<V> {
  if (node.value !== undefined || node.branches.length > 2) return node
  if (node.branches.length === 0) return null
  const only = childAt(node.branches, 0)
  return relabelled(only, [...node.label, ...only.label], edit)
}

function relabelled<V>(node: Node<V>, label: Key, edit: Edit): Node<V> {
  const mine = owned(node, edit)
  mine.label = label
  mine.size = label.length
  return mine
}

function owned<V>(node: Node<V>, edit: Edit): Node<V> {
  if (node.edit === edit) return node
  const { size, value, branches, label } = node
  return { edit, size, value, branches, label }
}

function childAt<V>(branches: Branches<V>, at: number): Node<V> {
  return branches[at + 1] as Node<V> // Behind each byte stands its child.
}

/** Where a byte is in branches, or where it belongs. */
function placeOf<V>(branches: Branches<V>, code: number): number {
  let low = 0
  let high = branches.length >>> 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((branches[2 * middle] as number) < code) low = middle + 1
    else high = middle
  }
  return 2 * low
}

function commonLength(label: Key, key: Key, at: number): number {
  const longest = Math.min(label.length, key.length - at)
  let common = 0
  while (common < longest && label[common] === key[at + common]) common++
  return common
}
