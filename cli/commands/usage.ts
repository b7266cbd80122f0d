import { z } from 'zod'
import type { PlanSpec } from '../../shared/definitions/plan.ts'
import { definitionAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import type { ControlClient } from '../client.ts'
import { defineCommand } from '../command.ts'
import { consumerSpec, readConsumer } from '../consumers/edit.ts'
import { entitledOf, type Entitled } from '../consumers/entitled.ts'
import { EXIT } from '../exit-codes.ts'
import { ApiProblem } from '../failures.ts'
import { definitionPath } from '../kind-argument.ts'
import { printJson } from '../output.ts'
import { renderTable } from '../render/table.ts'

/** Quotas, and what is used of them: the cluster counts that. */
const usageAnswer = z.looseObject({
  quotas: z.array(
    z.looseObject({
      name: z.string(),
      limit: z.number(),
      from: z.looseObject({ type: z.string(), name: z.string().optional() }),
      usage: z.array(
        z.looseObject({
          key: z.string().optional(),
          used: z.number(),
          left: z.number(),
          endsAt: z.string().nullish(),
        }),
      ),
    }),
  ),
})
type Quotas = z.infer<typeof usageAnswer>['quotas']

/** `raftway usage`. */
export const USAGE_COMMANDS = [
  defineCommand({
    usage: 'usage <consumer>',
    summary: 'Show what a consumer may do and how often, and which plan says so',
    examples: [
      [
        'raftway usage alice',
        'Plans, limits, roles and access, merged as gateways do; what is left of quotas',
      ],
    ],
    positionals: { consumer: { describe: 'the consumer', required: true } },
    options: { ...CONTROL_OPTION, ...OUTPUT_OPTION },
    run: async (args, terminal) => {
      const { found, entitled, quotas } = await withClient(args, terminal, async (client) => {
        const consumer = await readConsumer(client, args.consumer)
        const spec = consumerSpec(consumer)
        const plans = await readPlans(client, spec.plans ?? [])
        const path = `${definitionPath('Consumer', args.consumer)}/usage`
        const used = await client.call({ method: 'GET', path }, usageAnswer)
        return { found: spec, entitled: entitledOf(spec, (name) => plans.get(name)), ...used }
      })
      const enabled = found.enabled ?? true
      const expiresAt = found.expiresAt ?? null
      if (args.output === 'json')
        printJson(terminal, { consumer: args.consumer, enabled, expiresAt, ...entitled, quotas })
      else {
        const state = enabled ? '' : ' (disabled)'
        terminal.out(`${args.consumer}${state}, expires ${expiresAt ?? 'never'}\n`)
        terminal.out(entitledText(entitled))
        terminal.out(`\n${quotasText(quotas)}`)
      }
      return EXIT.ok
    },
  }),
]

function quotasText(quotas: Quotas): string {
  if (quotas.length === 0) return 'no quota of its own or of a plan; routes may have some\n'
  return renderTable(
    ['QUOTA', 'REQUESTS', 'USED', 'LEFT', 'ENDS', 'FROM'],
    quotas.flatMap((quota) =>
      quota.usage.map(({ key, used, left, endsAt }) => [
        key === undefined ? quota.name : `${quota.name} (key ${key})`,
        quota.limit,
        used,
        left,
        endsAt ?? 'not begun',
        quota.from.name === undefined ? quota.from.type : `plan ${quota.from.name}`,
      ]),
    ),
  )
}

/** Plans by name; those that are not there are left out. */
async function readPlans(
  client: ControlClient,
  names: readonly string[],
): Promise<ReadonlyMap<string, PlanSpec>> {
  const plans = new Map<string, PlanSpec>()
  for (const name of names) {
    try {
      const path = definitionPath('Plan', name)
      const { spec } = await client.call({ method: 'GET', path }, definitionAnswer)
      // A node's, checked by the same schema.
      plans.set(name, spec as PlanSpec)
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== 'DEFINITION_NOT_FOUND') throw error
    }
  }
  return plans
}

function entitledText({ plans, roles, limits, access }: Entitled): string {
  const tables = [
    plans.length === 0
      ? 'no plan\n'
      : renderTable(
          ['PLAN', 'PRIORITY', 'STATE'],
          plans.map((plan) => [plan.name, plan.priority, plan.isMissing ? 'missing' : 'found']),
        ),
    limits.length === 0
      ? 'no limit of its own or of a plan; routes may have some\n'
      : renderTable(
          ['LIMIT', 'REQUESTS', 'WITHIN', 'FROM'],
          limits.map((limit) => [
            limit.name,
            limit.limit ?? 'unlimited',
            limit.windowMs === undefined ? '' : timeText(limit.windowMs),
            limit.from,
          ]),
        ),
    ...(roles.length === 0
      ? []
      : [
          renderTable(
            ['ROLE', 'FROM'],
            roles.map(({ role, from }) => [role, from]),
          ),
        ]),
    access === null
      ? 'may call every Api\n'
      : renderTable(
          ['API', 'ROUTES', 'METHODS', 'FROM'],
          access.map((rule) => [
            rule.api,
            rule.routes?.join(', ') ?? 'all',
            rule.methods?.join(', ') ?? 'all',
            rule.from,
          ]),
        ),
  ]
  return `\n${tables.join('\n')}`
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

/** A time in the largest unit that it is a whole number of. */
function timeText(ms: number): string {
  const [unit, size] = UNITS.find(([, each]) => ms % each === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}
