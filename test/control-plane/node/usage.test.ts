// Goal: usage that was answered is never lost and never counted twice. Method: real nodes, disks and links in one process.
import { afterEach, expect, test } from 'vitest'
import type { WriteRequest } from '../../../control-plane/ports.ts'
import type { UsageReport } from '../../../shared/usage-protocol.ts'
import { eventually, foundCluster, leaderOf, putApi, type TestNode } from './cluster.ts'

let cluster: Awaited<ReturnType<typeof foundCluster>> | null = null

afterEach(async () => {
  await cluster?.close()
  cluster = null
})

async function open(count: number): Promise<TestNode[]> {
  cluster = await foundCluster(count)
  return cluster.nodes
}

function putConsumer(name: string): WriteRequest {
  const definition = { kind: 'Consumer', name, spec: {} } as const
  return {
    ...putApi('unused'),
    action: { type: 'operations', operations: [{ op: 'put', definition, ifRevision: null }] },
  }
}

function report(sequence: number, used: number, consumer = 'ada'): UsageReport {
  const counts = [{ consumer, quota: 'calls', used, startMs: 1_000, periodMs: 1_000 }]
  return { source: 'gateway-1', sequence, counts }
}

function usedOn({ node }: TestNode): number {
  return node.usage.of('ada')?.quotas['calls']?.used ?? 0
}

test('what was counted is on every node, and survives a change of leader and repeats', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  await leader.node.write(putConsumer('ada'))
  const answers = await Promise.all([
    leader.node.usage.count(report(1, 5)),
    leader.node.usage.count({ ...report(1, 7), source: 'gateway-2' }),
  ])
  expect(answers[1]?.totals).toEqual([
    { consumer: 'ada', quota: 'calls', startMs: 1_000, used: 12 },
  ])
  await eventually('every node has counted', () => nodes.every((node) => usedOn(node) === 12))
  const followers = nodes.filter((node) => node !== leader)
  await expect(followers[0]?.node.usage.count(report(2, 1))).rejects.toMatchObject({
    code: 'NOT_LEADER',
  })
  await leader.stop(2_000)
  const next = await leaderOf(followers)
  await next.node.usage.count(report(1, 5))
  await next.node.usage.count(report(2, 1))
  expect(usedOn(next)).toBe(13)
})

test('many reports at once are few entries of the log', async () => {
  const nodes = await open(1)
  const leader = await leaderOf(nodes)
  await leader.node.write(putConsumer('ada'))
  const before = leader.node.status().commitIndex
  await Promise.all(
    Array.from({ length: 100 }, (_, at) =>
      leader.node.usage.count({ ...report(1, 1), source: `gateway-${at}` }),
    ),
  )
  expect(usedOn(leader)).toBe(100)
  expect(leader.node.status().commitIndex - before).toBeLessThanOrEqual(3)
})

test('a question costs no entry', async () => {
  const nodes = await open(1)
  const leader = await leaderOf(nodes)
  await leader.node.write(putConsumer('ada'))
  await leader.node.usage.count(report(1, 5))
  const before = leader.node.status().commitIndex
  const { totals } = await leader.node.usage.count(report(2, 0))
  expect(totals).toMatchObject([{ used: 5 }])
  expect(leader.node.status().commitIndex).toBe(before)
})
