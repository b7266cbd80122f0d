import { join } from 'node:path'
import type { Terminal } from '../command.ts'
import { colours } from '../render/colour.ts'
import { renderTable } from '../render/table.ts'
import type { DevChild } from './child.ts'
import type { DevPlan } from './plan.ts'
import { commandPrefix, shellWords } from './words.ts'

/** What runs now. */
export type DevState = {
  readonly plan: DevPlan
  readonly children: readonly DevChild[]
  readonly leader: string | null
  /** Folder of examples, as seen from here. */
  readonly samples: string
  readonly dataDir: string
  /** The config was empty, so that the sample is revision 1. */
  readonly isFresh: boolean
}

/** A line to paste, and what it shows. */
export type Suggestion = { readonly what: string; readonly line: string }

/** Every control url, for commands that must work whichever node is down. */
export function controlUrls(plan: DevPlan): string {
  return plan.nodes.map(({ api }) => `http://127.0.0.1:${api}`).join(',')
}

/** Lines to paste into another shell in the same folder; each works by itself. */
export function suggestCommands(
  state: DevState,
  terminal: Pick<Terminal, 'cwd' | 'env'>,
): readonly Suggestion[] {
  const { plan, samples } = state
  const isDefault = plan.nodes[0]?.api === 7400
  const everywhere = ['--control', controlUrls(plan)]
  const prefix = commandPrefix(terminal)
  const raftway = (...words: readonly string[]): string =>
    `${prefix} ${shellWords([...words, ...(isDefault ? [] : everywhere)])}`
  const gateway = plan.gateways[0]
  const curl = (path: string, ...headers: readonly string[]): string =>
    shellWords([
      'curl',
      '-i',
      `http://127.0.0.1:${gateway?.http}${path}`,
      ...headers.flatMap((header) => ['-H', header]),
    ])
  const leader = state.children.find(({ name }) => name === state.leader)
  const apply = raftway('apply', '-f', join(samples, 'canary.yaml'), '--wait')
  return [
    { what: 'Who leads, who lags, who is down', line: raftway('cluster', 'status') },
    { what: 'What is defined', line: raftway('get', 'apis') },
    ...when(gateway !== undefined, [
      { what: 'Which revision gateways serve', line: raftway('gateways') },
      { what: 'A request through the gateway', line: curl('/pets/7', 'Host: api.example.com') },
    ]),
    {
      what: 'Why it goes where it goes',
      line: raftway('explain', 'GET', 'http://api.example.com/pets/7'),
    },
    { what: 'Push a canary, and return when gateways serve it', line: apply },
    ...when(gateway !== undefined, [
      {
        what: 'Ask for the canary',
        line: curl('/cart/', 'Host: cart.example.com', 'x-canary: yes'),
      },
    ]),
    { what: 'Who changed what', line: raftway('history') },
    ...when(state.isFresh, [
      {
        what: 'Take the canary back',
        line: raftway('rollback', '1', '--wait', '-m', 'no canary today'),
      },
    ]),
    ...when(leader !== undefined && plan.nodes.length >= 3, [
      { what: `Pull the plug on the leader, ${leader?.name}`, line: `kill -9 ${leader?.pid}` },
      {
        what: 'See another one lead',
        line: `${prefix} ${shellWords(['cluster', 'status', ...everywhere])}`,
      },
    ]),
  ]
}

/** The summary for people: what runs where, and what to try. */
export function renderSummary(state: DevState, terminal: Terminal): string {
  const { plan, children, dataDir } = state
  const { bold, dim } = colours(terminal)
  const pidOf = (name: string): number | string =>
    children.find((child) => child.name === name)?.pid ?? ''
  const rows = [
    ...plan.nodes.map(({ name, api, peer }) => [
      name,
      name === state.leader ? 'node, leads' : 'node',
      pidOf(name),
      `http://127.0.0.1:${api}, peers on 127.0.0.1:${peer}`,
    ]),
    ...plan.gateways.map(({ name, http, status }) => [
      name,
      'gateway',
      pidOf(name),
      `http://127.0.0.1:${http}, status on http://127.0.0.1:${status}/status`,
    ]),
    ['target', 'sample target', process.pid, `http://127.0.0.1:${plan.target}`],
  ]
  const tries = suggestCommands(state, terminal).map(
    ({ what, line }) => `  ${dim(`# ${what}`)}\n  ${line}\n`,
  )
  return [
    bold('Raftway is running. Ctrl-C stops everything.'),
    '',
    renderTable(['NAME', 'WHAT', 'PID', 'WHERE'], rows),
    `Data and logs are in ${dataDir}`,
    '',
    bold('Try, in another shell in this folder:'),
    '',
    ...tries,
  ].join('\n')
}

function when<T>(condition: boolean, list: readonly T[]): readonly T[] {
  return condition ? list : []
}
