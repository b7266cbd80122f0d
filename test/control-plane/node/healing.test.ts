// Goal: nodes whose config is not the same at the same revision find that out by themselves, and the one that is not of
// the majority gets a copy. Method: a stored definition and the hash beside it are changed together, so that nothing on
// that disk is damaged by any checksum.
import { join } from 'node:path'
import { Level } from 'level'
import { expect, onTestFinished, test } from 'vitest'
import { seal, sealJson, SEAL_BYTES } from '../../../control-plane/storage/seal.ts'
import { suffixOf } from '../../../control-plane/storage/keys.ts'
import { ConfigHash } from '../../../shared/config-hash.ts'
import { eventually, foundCluster, leaderOf, putApi, TestNode } from './cluster.ts'

/** Makes every definition of a stopped node say something else, as if it had applied other entries. */
async function forge(dir: string): Promise<void> {
  const db = new Level<Buffer, Buffer>(join(dir, 'db'), {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  })
  const sum = new ConfigHash()
  const marks: Buffer[] = []
  for await (const [key, value] of db.iterator()) {
    if (key[0] !== 0x73) continue
    const suffix = suffixOf(key)
    if (suffix[0] === 0x61) marks.push(key)
    if (suffix[0] !== 0x64) continue
    const forged = value.subarray(SEAL_BYTES).toString().replaceAll('127.0.0.1:9', '127.0.0.1:6')
    sum.add(forged)
    await db.put(key, seal(suffix, Buffer.from(forged)))
  }
  for (const key of marks) {
    const mark = JSON.parse((await db.get(key))?.subarray(SEAL_BYTES).toString() ?? '')
    await db.put(key, sealJson(suffixOf(key), { ...mark, hash: sum.toHex() }))
  }
  await db.close()
}

async function restart(dir: string, node: TestNode): Promise<TestNode> {
  const port = Number(node.node.self.peer.split(':').at(-1))
  return TestNode.begin(await TestNode.prepare(dir, node.name, port), [])
}

async function open(): Promise<{ dir: string; nodes: TestNode[] }> {
  const cluster = await foundCluster(3)
  onTestFinished(() => cluster.close())
  const leader = await leaderOf(cluster.nodes)
  for (let n = 0; n < 5; n++) await leader.node.write(putApi(`a-${n}`))
  await Promise.all(cluster.nodes.map(({ node }) => node.waitForRevision(5, 5_000)))
  return cluster
}

test('a follower with another config takes a copy from the leader, under load, and loses nothing', async () => {
  const { dir, nodes } = await open()
  const leader = await leaderOf(nodes)
  const at = nodes.findIndex((node) => node !== leader)
  const victim = nodes[at]
  if (victim === undefined) throw new Error('no node')
  await victim.stop(0)
  await forge(join(dir, victim.name))
  const back = await restart(dir, victim)
  nodes[at] = back
  let resets = 0
  back.node.onReset(() => resets++)
  for (let n = 0; n < 100; n++) await leader.node.write(putApi(`b-${n}`))
  await eventually(
    'it has the same config',
    () => back.node.state.hash === leader.node.state.hash,
    20_000,
  )
  expect(resets).toBeGreaterThan(0)
  expect(back.node.state.revision).toBe(105)
  expect(await back.node.state.configAt(100)).toEqual(await leader.node.state.configAt(100))
  await eventually('everybody sees it', () =>
    nodes.every(({ node }) => node.status().members.every(({ sameConfig }) => sameConfig === true)),
  )
  // It is as it was before the next start as well.
  await back.stop(0)
  const again = await restart(dir, back)
  nodes[at] = again
  await again.node.waitForRevision(105, 5_000)
  expect(again.node.state.hash).toBe(leader.node.state.hash)
  expect(nodes.map(({ fatal }) => fatal)).toEqual([null, null, null])
})

test('the majority decides who is wrong, whoever leads', async () => {
  const { dir, nodes } = await open()
  const [lone, ...others] = nodes
  if (lone === undefined) throw new Error('no node')
  for (const [at, other] of others.entries()) {
    await other.stop(0)
    await forge(join(dir, other.name))
    nodes[at + 1] = await restart(dir, other)
  }
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('later'))
  await eventually(
    'all have the same config',
    () => new Set(nodes.map(({ node }) => node.state.hash)).size === 1,
    20_000,
  )
  expect(JSON.stringify(lone.node.state.get('Api', 'a-0'))).toContain('127.0.0.1:6')
})
