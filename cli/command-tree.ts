import type { Command } from './command.ts'

type Family = () => Promise<readonly Command[]>

/**
 * Command families by the first word, in the order in which help lists them. They load when they are asked for: a
 * gateway must not carry what only `raftway diff` needs.
 */
const FAMILIES: Readonly<Record<string, Family>> = {
  dev: async () => (await import('./commands/dev.ts')).DEV_COMMANDS,
  server: async () => (await import('./commands/server.ts')).SERVER_COMMANDS,
  gateway: async () => (await import('./commands/gateway.ts')).GATEWAY_COMMANDS,
  apply: async () => (await import('./commands/apply.ts')).APPLY_COMMANDS,
  get: async () => (await import('./commands/definitions.ts')).GET_COMMANDS,
  delete: async () => (await import('./commands/definitions.ts')).DELETE_COMMANDS,
  export: async () => (await import('./commands/definitions.ts')).EXPORT_COMMANDS,
  validate: async () => (await import('./commands/validate.ts')).VALIDATE_COMMANDS,
  schema: async () => (await import('./commands/schema.ts')).SCHEMA_COMMANDS,
  diff: async () => (await import('./commands/diff.ts')).DIFF_COMMANDS,
  history: async () => (await import('./commands/history.ts')).HISTORY_COMMANDS,
  rollback: async () => (await import('./commands/history.ts')).ROLLBACK_COMMANDS,
  explain: async () => (await import('./commands/explain.ts')).EXPLAIN_COMMANDS,
  consumer: async () => (await import('./commands/consumer.ts')).CONSUMER_COMMANDS,
  key: async () => (await import('./commands/key.ts')).KEY_COMMANDS,
  plan: async () => (await import('./commands/plan.ts')).PLAN_COMMANDS,
  usage: async () => (await import('./commands/usage.ts')).USAGE_COMMANDS,
  cluster: async () => (await import('./commands/cluster.ts')).CLUSTER_COMMANDS,
  snapshot: async () => (await import('./commands/snapshot.ts')).SNAPSHOT_COMMANDS,
  token: async () => (await import('./commands/token.ts')).TOKEN_COMMANDS,
  secret: async () => (await import('./commands/secret.ts')).SECRET_COMMANDS,
  gateways: async () => (await import('./commands/gateways.ts')).GATEWAYS_COMMANDS,
  watch: async () => (await import('./commands/watch.ts')).WATCH_COMMANDS,
  version: async () => (await import('./commands/version.ts')).VERSION_COMMANDS,
  completion: async () => (await import('./commands/completion.ts')).COMPLETION_COMMANDS,
}

/** What the words that only group others stand for. */
export const GROUPS: Readonly<Record<string, string>> = {
  server: 'Run a control-plane node',
  gateway: 'Run a gateway',
  consumer: 'Say who may call Apis',
  key: 'Make, rotate and revoke API keys',
  plan: 'Say what consumers get',
  cluster: 'See and change the control plane',
  token: 'Say who may call the API',
  secret: 'Keep sealed values sealed',
  snapshot: 'Back up, check and restore',
}

/** The commands that `firstWord` can mean: one family, or all of them when it names none. */
export async function loadCommands(firstWord: string | undefined): Promise<readonly Command[]> {
  const family = Object.hasOwn(FAMILIES, firstWord ?? '') ? FAMILIES[firstWord ?? ''] : undefined
  if (family !== undefined) return await family()
  const families = await Promise.all(Object.values(FAMILIES).map((load) => load()))
  return families.flat()
}
