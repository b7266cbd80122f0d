import { z } from 'zod'
import type { DefinitionChange } from './changes.ts'
import { KIND_NAMES, type Definition, type Kind } from './definitions/kinds.ts'
import { QUARANTINED_MAX } from './limits.ts'

/**
 * One line of `GET /v1/watch`. A stream begins with `snapshot`, or, with `from`, with the changes since; `compacted`
 * says that `from` is no longer kept and that a snapshot follows. `closed` is the last line of a stream that the node
 * ends on purpose. Revisions only grow; none is left out and none comes twice.
 */
export type WatchLine =
  | { readonly type: 'snapshot'; readonly revision: number; readonly count: number }
  | { readonly type: 'definition'; readonly definition: Definition }
  | { readonly type: 'snapshot-end'; readonly revision: number; readonly hash: string }
  | {
      readonly type: 'change'
      readonly revision: number
      /** Config hash after this change. */
      readonly hash: string
      readonly changes: readonly DefinitionChange[]
    }
  | { readonly type: 'bookmark'; readonly revision: number }
  | { readonly type: 'compacted'; readonly revision: number }
  | { readonly type: 'closed'; readonly code: string; readonly reason: string }

/** What a gateway tells the node that it watches: `POST /v1/gateways/{name}/report`. */
export const gatewayReportSchema = z.strictObject({
  /** Highest revision that every worker of the gateway serves. */
  revision: z.int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  version: z.string().max(64),
  workers: z.int().min(0).max(1024).optional(),
  routes: z.int().min(0).optional(),
  source: z.enum(['control-plane', 'last-good-file', 'definitions']).optional(),
  status: z.string().max(256).optional(),
  labels: z.record(z.string().max(64), z.string().max(64)).optional(),
  quarantined: z
    .array(
      z.strictObject({
        kind: z.enum(KIND_NAMES as [Kind, ...Kind[]]),
        name: z.string().max(64),
        reason: z.string().max(4_096),
      }),
    )
    .max(QUARANTINED_MAX),
})

export type GatewayReport = z.infer<typeof gatewayReportSchema>
