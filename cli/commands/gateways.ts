import { gatewaysAnswer, type GatewaysAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { printJson } from '../output.ts'
import { colours, type Colours } from '../render/colour.ts'
import { renderTable } from '../render/table.ts'

/** `raftway gateways`: who serves which revision. */
export const GATEWAYS_COMMANDS = [
  defineCommand({
    usage: 'gateways',
    summary: 'List gateways: which revision they serve, what they could not use',
    examples: [['raftway gateways', 'One row a gateway, then what is quarantined']],
    positionals: {},
    options: { ...CONTROL_OPTION, ...OUTPUT_OPTION },
    run: async (args, terminal) => {
      const gateways = await withClient(args, terminal, (client) =>
        client.call({ method: 'GET', path: '/v1/gateways' }, gatewaysAnswer),
      )
      if (args.output === 'json') printJson(terminal, gateways)
      else if (gateways.items.length === 0) terminal.say('no gateway has connected yet')
      else terminal.out(render(gateways, colours(terminal)))
      return EXIT.ok
    },
  }),
]

function render({ items }: GatewaysAnswer, colours: Colours): string {
  const { green, red, yellow } = colours
  const rows = items.map((gateway) => {
    const behind = gateway.behind ?? null
    const labels = Object.entries(gateway.labels ?? {}).map(([key, value]) => `${key}=${value}`)
    const quarantined = gateway.quarantined?.length ?? 0
    return [
      gateway.name,
      gateway.node,
      gateway.connected ? green('yes') : red('no'),
      gateway.revision ?? '?',
      behind === null ? '?' : behind > 0 ? yellow(String(behind)) : '0',
      quarantined > 0 ? yellow(String(quarantined)) : '0',
      gateway.workers ?? '?',
      gateway.version ?? '?',
      labels.join(' '),
    ]
  })
  const head = [
    'NAME',
    'NODE',
    'CONNECTED',
    'REVISION',
    'BEHIND',
    'QUARANTINED',
    'WORKERS',
    'VERSION',
    'LABELS',
  ]
  const table = renderTable(head, rows)
  const reasons = items.flatMap((gateway) =>
    (gateway.quarantined ?? []).map(({ kind, name, reason }) => [
      gateway.name,
      `${kind}/${name}`,
      reason,
    ]),
  )
  return reasons.length === 0
    ? table
    : `${table}\n${renderTable(['GATEWAY', 'QUARANTINED', 'REASON'], reasons)}`
}
