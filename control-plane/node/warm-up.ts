import { parseDefinition } from '../../shared/definitions/parse.ts'
import { decodeCommand, encodeCommand } from '../state-machine/command.ts'
import { Speculation } from '../state-machine/propose.ts'
import { ReplicatedState } from '../state-machine/state.ts'

/** What most writes are about. */
const SAMPLES: readonly unknown[] = [
  {
    kind: 'Upstream',
    name: 'warm-up',
    spec: { targets: [{ url: 'http://127.0.0.1:1', weight: 1 }] },
  },
  {
    kind: 'Api',
    name: 'warm-up',
    labels: { team: 'none' },
    spec: {
      hosts: ['warm-up.example.com'],
      routes: [{ path: '/warm-up/', methods: ['GET'], rewrite: { prefix: '/' } }],
      upstream: { targets: [{ url: 'http://127.0.0.1:1' }] },
    },
  },
]

/**
 * Carries a few writes through all that a leader does with one, on a state of its own that is thrown away. Schemas
 * compile themselves when they are first used, which takes some 35 ms: without this, a node that has only followed would
 * do so with the first write after it took the lead, while everybody waits. Call it before the node takes part.
 */
export function warmUp(): void {
  const state = new ReplicatedState()
  const speculation = new Speculation(state)
  for (const [at, sample] of SAMPLES.entries()) {
    const parsed = parseDefinition(sample)
    if (!parsed.ok) continue
    const key = `warm-up-${at}`
    const operations = [{ op: 'put', definition: parsed.value, ifRevision: null }] as const
    const plan = speculation.plan(
      {
        key,
        author: 'warm-up',
        message: null,
        action: { type: 'operations', operations },
        ifConfigRevision: null,
        dryRun: false,
      },
      { atMs: 0, key, fingerprint: key, configAtRollback: null },
    )
    if (plan.command === null) continue
    speculation.taken(plan.command)
    const command = decodeCommand(encodeCommand(plan.command))
    if (command.type !== 'write') continue
    state.apply(command, at + 1)
    speculation.settled(command)
  }
}
