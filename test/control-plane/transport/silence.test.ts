// Goal: whoever says nothing is found out. Apart from the other tests, because each of these waits for seconds.
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { PEER_HELLO_MS_MAX, PEER_PING_MS, PEER_SILENT_MS_MAX } from '../../../shared/limits.ts'
import { TestNodes, until } from './nodes.ts'

const nodes = new TestNodes()
afterEach(() => nodes.closeAll())

test('a link without traffic stays, and one that has gone silent without being closed is given up', async () => {
  const a = await nodes.open(1)
  const b = await nodes.open(2)
  const relay = await nodes.relay(b.address.peer)
  b.identity = { ...b.identity, peer: relay.address }
  a.transport.setPeers([{ ...b.address, peer: relay.address }])
  await until('connected', () => a.transport.lastHeardMs(2) !== null)
  const heardMs = () => a.transport.lastHeardMs(2) ?? Infinity
  await until('nothing was said for a moment', () => heardMs() > PEER_PING_MS / 2)
  await until('and then something, by itself', () => heardMs() < PEER_PING_MS / 2)
  expect(a.handler.unreachable).toEqual([])
  relay.isSwallowing = true
  const startMs = performance.now()
  await until('noticed', () => a.handler.unreachable.includes(2), 3 * PEER_SILENT_MS_MAX)
  expect(performance.now() - startMs).toBeGreaterThan(PEER_SILENT_MS_MAX - 2 * PEER_PING_MS)
  relay.isSwallowing = false
  // The other side's own link goes past the relay, so that being heard alone would not show it.
  await until('dialled anew', () => relay.connections > 1)
  await until('healed', () => heardMs() < PEER_PING_MS)
})

test('a stranger that connects and says nothing is hung up on', async () => {
  const a = await nodes.open(1)
  const startMs = performance.now()
  const socket = connect(a.transport.port, '127.0.0.1')
  // Only whoever reads sees the end.
  socket.resume()
  await new Promise((resolve) => socket.on('close', resolve))
  expect(performance.now() - startMs).toBeGreaterThan(PEER_HELLO_MS_MAX - 100)
  expect(performance.now() - startMs).toBeLessThan(3 * PEER_HELLO_MS_MAX)
})
