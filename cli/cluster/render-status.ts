import type { ClusterAnswer } from '../answers.ts'
import type { Colours } from '../render/colour.ts'
import { renderTable } from '../render/table.ts'
import type { InspectedCluster, InspectedMember } from './inspect.ts'

/** The answer to "is it well?": a sentence, then one row a member. */
export function renderStatus(inspected: InspectedCluster, colours: Colours): string {
  const { cluster, members, gateways } = inspected
  const { bold, red, yellow } = colours
  const voters = members.filter(({ role }) => role === 'voter')
  const up = voters.filter(({ condition }) => condition !== 'down').length
  const lost = voters.length - up
  const mayLose = Math.floor((voters.length - 1) / 2)
  const lines = [
    cluster.leader === null
      ? red(bold('no leader: nothing can be written'))
      : `${bold(cluster.leader)} leads in term ${cluster.term}, at revision ${cluster.revision}`,
    `voters: ${up} of ${voters.length} up${spareText(lost, mayLose, { red, yellow })}`,
    gatewaysText(gateways, yellow),
  ]
  const versions = versionsText(members)
  if (versions !== null) lines.push(yellow(versions))
  const rows = members.map((member) => [
    member.name === cluster.leader ? bold(member.name) : member.name,
    member.role,
    stateText(member, cluster.leader, colours),
    conditionText(member, colours),
    lagText(member, yellow),
    member.revision ?? '?',
    member.api,
    member.peer,
  ])
  const head = ['NAME', 'ROLE', 'STATE', 'CONDITION', 'LAG', 'REVISION', 'API', 'PEER']
  return `${lines.join('\n')}\n\n${renderTable(head, rows)}`
}

/** Names, roles and addresses. */
export function renderMembers(members: ClusterAnswer['members']): string {
  const isMixed = versionsText(members) !== null
  const head = ['NAME', 'ROLE', 'STATE', 'API', 'PEER']
  return renderTable(
    isMixed ? [...head, 'VERSION'] : head,
    members.map(({ name, role, state, api, peer, version }) => {
      const row = [name, role, state, api, peer]
      return isMixed ? [...row, version ?? '?'] : row
    }),
  )
}

/** What is worth saying while members run different versions, as in an upgrade; null when all run the same. */
function versionsText(
  members: readonly Pick<ClusterAnswer['members'][number], 'name' | 'version'>[],
): string | null {
  const named = new Map<string, string[]>()
  for (const { name, version } of members) {
    const text = version ?? 'unknown'
    named.set(text, [...(named.get(text) ?? []), name])
  }
  if (named.size < 2) return null
  const parts = [...named].map(([version, names]) => `${version} on ${names.join(', ')}`)
  return `versions differ: ${parts.join('; ')}. What is new is usable once every member has it`
}

function spareText(
  lost: number,
  mayLose: number,
  { red, yellow }: Pick<Colours, 'red' | 'yellow'>,
): string {
  if (lost > mayLose) return red('; the quorum is lost')
  const spare = mayLose - lost
  if (spare === 0) return yellow('; none may fail')
  return spare === 1 ? '; one more may fail' : `; ${spare} more may fail`
}

function gatewaysText(gateways: InspectedCluster['gateways'], yellow: Colours['yellow']): string {
  if (gateways === null) return 'gateways: unknown'
  const { connected, behind } = gateways
  return `gateways: ${connected} connected${behind > 0 ? yellow(`, ${behind} behind`) : ''}`
}

function stateText(
  member: InspectedMember,
  leader: string | null,
  { green, dim }: Colours,
): string {
  if (member.condition === 'down') return dim('-')
  return member.name === leader ? green('leader') : member.state
}

/** The largest unit that fits, rounded down: how long it is matters, not how long exactly. */
function spanText(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`
}

function conditionText(member: InspectedMember, { green, yellow, red }: Colours): string {
  const { condition, disk, sameConfig } = member
  if (condition === 'up' && sameConfig === false) return red('up, but its config differs')
  if (condition === 'up' && disk === 'low') return yellow('up, but its disk is almost full')
  if (condition === 'up' && disk === 'none') return red('up, but its disk is full')
  if (condition === 'up') return green('up')
  if (condition === 'unreachable') return yellow('up, but unreachable from here')
  return red(member.lastHeardMs == null ? 'down' : `down for ${spanText(member.lastHeardMs)}`)
}

function lagText({ lag }: InspectedMember, yellow: Colours['yellow']): string | number {
  if (lag === null) return '?'
  return lag > 0 ? yellow(`${lag} behind`) : '0'
}
