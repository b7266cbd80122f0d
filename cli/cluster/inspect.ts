import { clusterAnswer, type ClusterAnswer, type GatewaysAnswer } from '../answers.ts'
import type { ControlClient } from '../client.ts'

/** A member is asked itself for this long before it counts as silent. */
const ASK_MS = 1_000

/** The control plane as its nodes see themselves: `GET /v1/cluster` of one node, and more on each member. */
export type InspectedCluster = {
  readonly cluster: ClusterAnswer
  readonly members: readonly InspectedMember[]
  /** Connected gateways and how many of them have not applied the newest revision; null when it cannot be told. */
  readonly gateways: { readonly connected: number; readonly behind: number } | null
}

export type InspectedMember = ClusterAnswer['members'][number] & {
  /** up: it answers. unreachable: the leader hears it, but it does not answer here. down: neither. */
  readonly condition: 'up' | 'unreachable' | 'down'
  /** Entries that it has not applied of what the leader has committed; null when nobody can tell. */
  readonly lag: number | null
  readonly revision: number | null
}

/**
 * Asks every member itself, at once, and joins what they say with what one node knows of them. Never throws: a member
 * that does not answer is the finding.
 */
export async function inspectCluster(
  client: ControlClient,
  cluster: ClusterAnswer,
  gateways: GatewaysAnswer | null,
): Promise<InspectedCluster> {
  const answers = await Promise.all(
    cluster.members.map(({ api }) => askMember(client.another(api))),
  )
  const commitIndex = Math.max(
    cluster.commitIndex,
    ...answers.map((answer) => answer?.commitIndex ?? 0),
  )
  const members = cluster.members.map((member, at): InspectedMember => {
    const own = answers[at] ?? null
    if (own === null) {
      const condition = member.healthy ? 'unreachable' : 'down'
      const lag = member.matchIndex > 0 ? Math.max(0, commitIndex - member.matchIndex) : null
      return { ...member, condition, lag, revision: null }
    }
    const state = own.members.find(({ name }) => name === member.name)?.state ?? member.state
    const lag = Math.max(0, commitIndex - own.appliedIndex)
    return { ...member, state, condition: 'up', lag, revision: own.revision }
  })
  return { cluster, members, gateways: gateways === null ? null : countGateways(gateways) }
}

async function askMember(client: ControlClient): Promise<ClusterAnswer | null> {
  const answer = client
    .call({ method: 'GET', path: '/v1/cluster' }, clusterAnswer)
    .catch(() => null)
  const silence = Promise.withResolvers<null>()
  const timer = setTimeout(() => silence.resolve(null), ASK_MS)
  try {
    return await Promise.race([answer, silence.promise])
  } finally {
    clearTimeout(timer)
    await client.close()
  }
}

function countGateways({ items }: GatewaysAnswer): { connected: number; behind: number } {
  const connected = items.filter((gateway) => gateway.connected)
  return {
    connected: connected.length,
    behind: connected.filter((gateway) => (gateway.behind ?? 0) > 0).length,
  }
}
