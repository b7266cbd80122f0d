import type { z } from 'zod'

/** What is known of one plugin without running it: enough to check a definition that names it. */
export type PluginSpec = {
  /** Checks the options that a definition gives. */
  readonly optionsSchema: z.ZodType
  /** One sentence for `raftway schema` and the reference. */
  readonly summary: string
}

/** Every plugin by the name that definitions use. */
export const PLUGINS: Readonly<Record<string, PluginSpec>> = {}
