import { textOf, type Key } from './bytes.ts'

/**
 * A persistent map from texts to values: a radix tree whose edges carry as many bytes as have no fork in them. The one
 * structure under the routing table. A change copies the nodes from the root to the changed one and shares the rest,
 * so that its cost depends on the length of the key and not on the number of keys. A child stands at the place that
 * its first byte says, so that finding it takes no search, and entries come in the order of their keys.
 *
 *     pets, petshop, plan      p ─┬─ ets ● ── hop ●
 *                                 └─ lan ●
 *
 * A large tree is read from memory that no cache holds, so what counts is how many objects a step touches: the node,
 * one place among its children, and its label only where that has more than the byte that led to the node
 * (test/bench/table.ts).
 */
export type Tree<V> = Node<V> | null

export type Node<V> = {
  /** Who may change this node in place. */
  readonly edit: Edit
  /** Length of the label. */
  size: number
  /** Present at keys, absent at forks. A node without value has at least two children. */
  value: V | undefined
  /** The byte that the first of `children` stands for. */
  low: number
  /** One place for each byte from `low` to the highest that a label begins with; the first and last are taken. */
  children: Children<V>
  /** The bytes between the parent's key and this node's. Empty only in a root. */
  label: Key
}

/** Never changed in place. */
type Children<V> = readonly Tree<V>[]

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
  const at = code - node.low
  return at >= 0 && at < node.children.length ? (node.children[at] ?? null) : null
}

/** Keys and values in the order of the keys, by byte. */
export function* entries<V>(tree: Tree<V>): Generator<readonly [key: string, value: V]> {
  if (tree !== null) yield* entriesBelow(tree, [])
}

function* entriesBelow<V>(node: Node<V>, above: Key): Generator<readonly [key: string, value: V]> {
  const key = [...above, ...node.label]
  if (node.value !== undefined) yield [textOf(key), node.value]
  for (const child of node.children) if (child !== null) yield* entriesBelow(child, key)
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
  const before = childOf(node, code)
  const after = updateFrom(before, step, at)
  if (after === before) return node
  const mine = owned(node, edit)
  setChild(mine, code, after)
  return after === null ? tidied(mine, edit) : mine
}

/** Stands for the children of every leaf. */
const NO_CHILDREN: readonly never[] = []

function leafAt<V>(step: Step<V>, at: number): Node<V> | null {
  const value = step.change(undefined)
  if (value === undefined) return null
  const label = step.key.slice(at)
  return { size: label.length, value, low: 0, children: NO_CHILDREN, label, edit: step.edit }
}

/** The key leaves the node's label inside it, after `common` bytes: a new node stands where they part. */
function forked<V>(node: Node<V>, step: Step<V>, at: number, common: number): Node<V> {
  const leaf = leafAt(step, at + common)
  if (leaf === null) return node
  const parent: Node<V> = {
    size: common,
    value: undefined,
    low: 0,
    children: NO_CHILDREN,
    label: node.label.slice(0, common),
    edit: step.edit,
  }
  const below = relabelled(node, node.label.slice(common), step.edit)
  setChild(parent, below.label[0] ?? 0, below)
  const leafCode = leaf.label[0]
  // Without a byte left the key ends where the label forks.
  if (leafCode === undefined) parent.value = leaf.value
  else setChild(parent, leafCode, leaf)
  return parent
}

/** Restores the invariant of a node that lost its value or a child: no value means at least two children. */
function tidied<V>(node: Node<V>, edit: Edit): Tree<V> {
  if (node.value !== undefined || node.children.length > 1) return node
  const only = node.children[0] ?? null
  return only === null ? null : relabelled(only, [...node.label, ...only.label], edit)
}

/** Puts a child in its place, or takes it away, and keeps the children as narrow as can be. */
function setChild<V>(node: Node<V>, code: number, child: Tree<V>): void {
  const isFirst = node.children.length === 0
  const low = isFirst ? code : Math.min(node.low, code)
  const high = isFirst ? code : Math.max(node.low + node.children.length - 1, code)
  const children: Tree<V>[] = []
  for (let at = low; at <= high; at++) children.push(at === code ? child : childOf(node, at))
  const first = child === null ? children.findIndex((each) => each !== null) : 0
  const end = child === null ? children.findLastIndex((each) => each !== null) + 1 : children.length
  node.low = first < 0 ? 0 : low + first
  node.children = children.slice(Math.max(first, 0), end)
}

function relabelled<V>(node: Node<V>, label: Key, edit: Edit): Node<V> {
  const mine = owned(node, edit)
  mine.label = label
  mine.size = label.length
  return mine
}

function owned<V>(node: Node<V>, edit: Edit): Node<V> {
  if (node.edit === edit) return node
  const { size, value, low, children, label } = node
  return { size, value, low, children, label, edit }
}

function commonLength(label: Key, key: Key, at: number): number {
  const longest = Math.min(label.length, key.length - at)
  let common = 0
  while (common < longest && label[common] === key[at + common]) common++
  return common
}
