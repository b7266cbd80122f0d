import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyOf } from '../../../shared/routing/bytes.ts'
import {
  entries,
  newEdit,
  update,
  valueAt,
  type Node,
  type Tree,
} from '../../../shared/routing/radix-tree.ts'

const text = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'é', '/', ''), { maxLength: 5 })
  .map((parts) => parts.join(''))
const step = fc.record({ key: text, value: fc.option(fc.nat(9), { nil: undefined, freq: 3 }) })
/** Steps that share one right to change in place. */
const batches = fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 6 })

function sorted(map: ReadonlyMap<string, number>): (readonly [string, number])[] {
  return [...map].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

function childrenOf(node: Node<number>): Node<number>[] {
  return node.children.filter((child) => child !== null)
}

/** Nodes that break what `Node` promises. */
function brokenNodes(node: Node<number>, isRoot = true): Node<number>[] {
  const children = childrenOf(node)
  const isWhole =
    node.size === node.label.length &&
    (isRoot || node.size > 0) &&
    (node.value !== undefined || children.length > 1) &&
    node.children[0] !== null &&
    node.children.at(-1) !== null &&
    node.children.every((child, at) => child === null || child.label[0] === node.low + at)
  return [...(isWhole ? [] : [node]), ...children.flatMap((child) => brokenNodes(child, false))]
}

test('a tree holds what a Map holds, and every earlier tree still holds what it held', () => {
  fc.assert(
    fc.property(batches, (batches) => {
      let tree: Tree<number> = null
      const map = new Map<string, number>()
      const history: { tree: Tree<number>; expected: (readonly [string, number])[] }[] = []
      for (const batch of batches) {
        const edit = newEdit()
        for (const { key, value } of batch) {
          tree = update(tree, keyOf(key), () => value, edit)
          if (value === undefined) map.delete(key)
          else map.set(key, value)
          expect(valueAt(tree, keyOf(key))).toBe(value)
        }
        history.push({ tree, expected: sorted(map) })
      }
      for (const { tree, expected } of history) {
        expect([...entries(tree)]).toEqual(expected)
        expect(tree === null ? [] : brokenNodes(tree)).toEqual([])
      }
    }),
    { numRuns: 500 },
  )
})

test('a change that changes nothing gives the same tree', () => {
  const tree = update(
    update<number>(null, keyOf('pets'), () => 1, newEdit()),
    keyOf('plan'),
    () => 2,
    newEdit(),
  )
  expect(update(tree, keyOf('pets'), () => 1, newEdit())).toBe(tree)
  expect(update(tree, keyOf('pe'), () => undefined, newEdit())).toBe(tree)
  expect(update(tree, keyOf('petshop'), () => undefined, newEdit())).toBe(tree)
  expect(update(tree, keyOf('x'), () => undefined, newEdit())).toBe(tree)
})

test('a change copies the way to it and shares the rest', () => {
  let tree: Tree<number> = null
  for (let i = 0; i < 1_000; i++) tree = update(tree, keyOf(`key-${i}`), () => i, newEdit())
  const nodes = (node: Node<number>): Node<number>[] => [node, ...childrenOf(node).flatMap(nodes)]
  if (tree === null) throw new Error('has keys')
  const before = new Set(nodes(tree))
  const after = update(tree, keyOf('key-777'), () => -1, newEdit())
  if (after === null) throw new Error('has keys')
  expect(nodes(after).filter((node) => !before.has(node)).length).toBeLessThanOrEqual(5)
})
