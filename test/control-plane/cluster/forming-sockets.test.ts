// Goal: forming works over the links that nodes really have. What can go wrong in between is the simulation's to show.
import { afterEach, expect, test } from 'vitest'
import { SILENT } from '../../../shared/logger.ts'
import { Random } from '../../../shared/random.ts'
import { formOrJoin, FormingResponder } from '../../../control-plane/cluster/forming.ts'
import type { Formation } from '../../../control-plane/cluster/standing.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import { TestNodes, until, type TestNode } from '../transport/nodes.ts'

const nodes = new TestNodes()
afterEach(() => nodes.closeAll())

function search(node: TestNode, join: readonly string[], signal: AbortSignal): Promise<Formation> {
  const disk = new Map<string, unknown>()
  const responder = new FormingResponder({
    self: () => {
      const { clusterId: _clusterId, ...address } = node.identity
      return address
    },
    notes: {
      get: (key) => Promise.resolve(disk.get(key)),
      put: (key, value) => Promise.resolve(void disk.set(key, value)),
    },
    logger: SILENT,
  })
  node.handler.answer = (from, call) => responder.onCall(from, call)
  return formOrJoin({
    responder,
    join,
    lookup: null,
    expect: 3,
    call: (peer, note, timeoutMs) => node.transport.call(peer, note, timeoutMs),
    clock: SYSTEM_CLOCK,
    random: new Random(node.id),
    logger: SILENT,
    signal,
  })
}

test('three nodes found one cluster over TCP, each naming itself in its join list', async () => {
  const { signal } = new AbortController()
  const three = await Promise.all([12, 7, 30].map((id) => nodes.open(id, { clusterId: null })))
  const join = three.map((node) => node.address.peer)
  const formations = await Promise.all(three.map((node) => search(node, join, signal)))
  expect(new Set(formations.map(({ identity }) => identity.clusterId)).size).toBe(1)
  for (const formation of formations) {
    expect(formation).toMatchObject({ founders: [{ id: 7 }, { id: 12 }, { id: 30 }] })
  }
})

test('a search that is called off ends at once', async () => {
  const end = new AbortController()
  const node = await nodes.open(1, { clusterId: null })
  let asked = 0
  const searching = search(node, [node.address.peer, '127.0.0.1:1'], end.signal)
  const { answer } = node.handler
  node.handler.answer = (from, call) => {
    asked++
    return answer(from, call)
  }
  await until('it has asked around', () => asked > 2)
  end.abort()
  await expect(searching).rejects.toMatchObject({ code: 'STOPPING' })
})
