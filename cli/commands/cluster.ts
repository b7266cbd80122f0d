import { setTimeout as pause } from 'node:timers/promises'
import { CLIENT_RETRY_MS, CLIENT_ROUNDS_MAX } from '../../shared/limits.ts'
import {
  anyAnswer,
  clusterAnswer,
  gatewaysAnswer,
  leaderAnswer,
  memberAnswer,
  type ClusterAnswer,
} from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import type { ControlClient } from '../client.ts'
import { inspectCluster } from '../cluster/inspect.ts'
import { renderMembers, renderStatus } from '../cluster/render-status.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { CommandFailure, UsageError } from '../failures.ts'
import { readHostPort } from '../start/host-port.ts'
import { printJson } from '../output.ts'
import { colours } from '../render/colour.ts'

const OPTIONS = { ...CONTROL_OPTION, ...OUTPUT_OPTION } as const

const STATUS = defineCommand({
  usage: 'cluster status',
  summary: 'Who leads, who lags by how much, who is down',
  examples: [
    ['raftway cluster status', 'At a glance'],
    [
      'raftway cluster status -o json --control http://10.0.0.1:7400,http://10.0.0.2:7400',
      'For a program, by any node that answers',
    ],
  ],
  positionals: {},
  options: OPTIONS,
  run: async (args, terminal) => {
    const inspected = await withClient(args, terminal, async (client) => {
      const cluster = await askWithLeader(client)
      const gateways = await client
        .call({ method: 'GET', path: '/v1/gateways' }, gatewaysAnswer)
        .catch(() => null)
      return inspectCluster(client, cluster, gateways)
    })
    const { cluster, members, gateways } = inspected
    if (args.output === 'json') printJson(terminal, { ...cluster, members, gateways })
    else terminal.out(renderStatus(inspected, colours(terminal)))
    return cluster.leader === null ? EXIT.unavailable : EXIT.ok
  },
})

/** An election lasts a moment: a status without a leader is asked for again before it is shown. */
async function askWithLeader(client: ControlClient): Promise<ClusterAnswer> {
  for (let round = 1; ; round++) {
    const cluster = await client.call({ method: 'GET', path: '/v1/cluster' }, clusterAnswer)
    if (cluster.leader !== null || round >= CLIENT_ROUNDS_MAX) return cluster
    client.moveOn()
    await pause(CLIENT_RETRY_MS)
  }
}

const MEMBERS = defineCommand({
  usage: 'cluster members',
  summary: 'List the members and their addresses',
  examples: [['raftway cluster members', 'Names, roles and addresses']],
  positionals: {},
  options: OPTIONS,
  run: async (args, terminal) => {
    const { members } = await withClient(args, terminal, (client) =>
      client.call({ method: 'GET', path: '/v1/cluster' }, clusterAnswer),
    )
    if (args.output === 'json') printJson(terminal, { members })
    else terminal.out(renderMembers(members))
    return EXIT.ok
  },
})

const LEADER = defineCommand({
  usage: 'cluster leader',
  summary: 'Print who leads; exit 6 when nobody does',
  examples: [['raftway cluster leader', 'Name and API url of the leader']],
  positionals: {},
  options: OPTIONS,
  run: async (args, terminal) => {
    const { leader, members, term } = await withClient(args, terminal, (client) =>
      client.call({ method: 'GET', path: '/v1/cluster' }, clusterAnswer),
    )
    if (leader === null) throw new CommandFailure(EXIT.unavailable, 'NO_LEADER: nobody leads now')
    const api = members.find(({ name }) => name === leader)?.api ?? null
    if (args.output === 'json') printJson(terminal, { leader, api, term })
    else terminal.out(`${leader} ${api ?? ''}\n`)
    return EXIT.ok
  },
})

const ADD = defineCommand({
  usage: 'cluster add <peer>',
  summary: 'Add a running node as a learner; it is promoted once it has caught up',
  examples: [['raftway cluster add 10.0.0.4:7401', 'By the peer address of the new node']],
  positionals: { peer: { describe: 'HOST:PORT of its peer port', required: true } },
  options: OPTIONS,
  run: async (args, terminal) => {
    readHostPort('PEER', args.peer)
    const answer = await withClient(args, terminal, (client) =>
      client.call(
        { method: 'POST', path: '/v1/cluster/members', body: { peer: args.peer } },
        memberAnswer,
      ),
    )
    if (args.output === 'json') printJson(terminal, answer)
    else terminal.out(`${answer.member.name} added\n`)
    return EXIT.ok
  },
})

const REMOVE = defineCommand({
  usage: 'cluster remove <name>',
  summary: 'Remove a member for good',
  examples: [
    ['raftway cluster remove n3', 'It stops counting at once; stop it and keep or delete its data'],
  ],
  positionals: { name: { describe: 'the member', required: true } },
  options: OPTIONS,
  run: async (args, terminal) => {
    const path = `/v1/cluster/members/${encodeURIComponent(args.name)}`
    const answer = await withClient(args, terminal, (client) =>
      client.call({ method: 'DELETE', path }, anyAnswer),
    )
    if (args.output === 'json') printJson(terminal, answer)
    else terminal.out(`${args.name} removed\n`)
    return EXIT.ok
  },
})

const PROMOTE = defineCommand({
  usage: 'cluster promote <name>',
  summary: 'Make a learner a voter now',
  examples: [
    ['raftway cluster promote n4', 'Usually not needed: learners are promoted by themselves'],
  ],
  positionals: { name: { describe: 'the learner', required: true } },
  options: OPTIONS,
  run: async (args, terminal) => {
    const path = `/v1/cluster/members/${encodeURIComponent(args.name)}/promote`
    const answer = await withClient(args, terminal, (client) =>
      client.call({ method: 'POST', path }, anyAnswer),
    )
    if (args.output === 'json') printJson(terminal, answer)
    else terminal.out(`${args.name} promoted\n`)
    return EXIT.ok
  },
})

const TRANSFER = defineCommand({
  usage: 'cluster transfer-leader [name]',
  summary: 'Hand leadership over, without a gap for writers',
  examples: [
    ['raftway cluster transfer-leader', 'To the voter that is furthest'],
    ['raftway cluster transfer-leader n2', 'To this one'],
  ],
  positionals: { name: { describe: 'the next leader; default the voter that is furthest' } },
  options: OPTIONS,
  run: async (args, terminal) => {
    if (args.name === '') throw new UsageError('name a voter, or leave the name out')
    const answer = await withClient(args, terminal, (client) =>
      client.call(
        { method: 'POST', path: '/v1/cluster/leader', body: { name: args.name } },
        leaderAnswer,
      ),
    )
    if (args.output === 'json') printJson(terminal, answer)
    else terminal.out(`${answer.leader} leads\n`)
    return EXIT.ok
  },
})

/** `raftway cluster …`: see and change the control plane. */
export const CLUSTER_COMMANDS = [STATUS, MEMBERS, LEADER, ADD, REMOVE, PROMOTE, TRANSFER]
