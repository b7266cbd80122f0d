import { expect, test } from 'vitest'
import { ReadIndex } from '../../../control-plane/raft/read-index.ts'

const VOTERS = { incoming: [1, 2, 3], outgoing: [] }

function reads(...contexts: string[]): ReadIndex {
  const queue = new ReadIndex()
  for (const context of contexts) queue.add({ from: 0, context, index: 5 })
  return queue
}

function taken(queue: ReadIndex, voters = VOTERS): string[] {
  return queue.takeConfirmed(voters).map(({ context }) => context)
}

test('one heartbeat quorum confirms every read before it, in order and once', () => {
  const queue = reads('a', 'b', 'c')
  const context = queue.heartbeatContext()
  queue.acknowledge(1, context)
  expect(taken(queue)).toEqual([])
  queue.acknowledge(2, context)
  expect(taken(queue)).toEqual(['a', 'b', 'c'])
  expect([taken(queue), queue.heartbeatContext()]).toEqual([[], ''])
})

test('a late answer confirms nothing that came after it', () => {
  const queue = reads('a')
  const early = queue.heartbeatContext()
  queue.add({ from: 0, context: 'b', index: 6 })
  queue.acknowledge(1, queue.heartbeatContext())
  queue.acknowledge(2, early)
  expect(taken(queue)).toEqual(['a'])
  queue.acknowledge(2, early)
  expect(taken(queue)).toEqual([])
})

test('an answer with a number that was never given out confirms only what was', () => {
  const queue = reads('a')
  queue.acknowledge(1, '99')
  queue.acknowledge(2, '99')
  expect(taken(queue)).toEqual(['a'])
  queue.add({ from: 0, context: 'b', index: 6 })
  expect(taken(queue)).toEqual([])
})

test('nonsense is not an acknowledgement', () => {
  const queue = reads('a')
  for (const context of ['', 'x', '1.5', '-1', 'Infinity']) queue.acknowledge(2, context)
  queue.acknowledge(1, queue.heartbeatContext())
  expect(taken(queue)).toEqual([])
})

test('a joint membership needs both majorities', () => {
  const queue = reads('a')
  const joint = { incoming: [1, 2, 3], outgoing: [4, 5, 6] }
  for (const id of [1, 2, 4]) queue.acknowledge(id, queue.heartbeatContext())
  expect(queue.takeConfirmed(joint)).toEqual([])
  queue.acknowledge(5, queue.heartbeatContext())
  expect(queue.takeConfirmed(joint)).toHaveLength(1)
})
