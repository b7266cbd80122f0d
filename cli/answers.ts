import { z } from 'zod'

// What a node answers, as far as commands rely on it. Loose: a newer node may say more, and `-o json` shows it.

const definition = z.looseObject({
  kind: z.string(),
  name: z.string(),
  labels: z.record(z.string(), z.string()).optional(),
  spec: z.unknown(),
  revision: z.number(),
  createdRevision: z.number().optional(),
})

/** One definition. */
export const definitionAnswer = definition
/** One page of a list; `cursor` names the next one. */
export const listAnswer = z.looseObject({
  items: z.array(definition),
  cursor: z.string().nullish(),
})
/** Every definition at a revision. */
export const configAnswer = z.looseObject({
  revision: z.number(),
  definitions: z.array(definition),
})

/** How far a write has come on gateways. */
export const rolloutAnswer = z.looseObject({
  revision: z.number(),
  gateways: z.number(),
  applied: z.number(),
  behind: z.array(
    z.looseObject({
      name: z.string(),
      revision: z.number().nullish(),
      reason: z.string().nullish(),
    }),
  ),
})

/** What a write did; `results` leave out what did not differ. */
export const writeAnswer = z.looseObject({
  revision: z.number(),
  results: z
    .array(
      z.looseObject({
        op: z.enum(['put', 'delete']),
        kind: z.string(),
        name: z.string(),
        created: z.boolean().optional(),
      }),
    )
    .optional(),
  rollout: rolloutAnswer.optional(),
})

/** What a delete did. */
export const deleteAnswer = z.looseObject({
  revision: z.number(),
  rollout: rolloutAnswer.optional(),
})

/** The control plane as one node sees it. */
export const clusterAnswer = z.looseObject({
  clusterId: z.string(),
  node: z.string(),
  leader: z.string().nullable(),
  term: z.number(),
  commitIndex: z.number(),
  appliedIndex: z.number(),
  revision: z.number(),
  members: z.array(
    z.looseObject({
      name: z.string(),
      role: z.enum(['voter', 'learner']),
      state: z.string(),
      api: z.string(),
      peer: z.string(),
      matchIndex: z.number(),
      /** Since the node that answers heard from it; null for itself, and for one that it never heard. */
      lastHeardMs: z.number().nullish(),
      healthy: z.boolean(),
      version: z.string().nullish(),
      featureLevel: z.number().nullish(),
      disk: z.string().nullish(),
      sameConfig: z.boolean().nullish(),
    }),
  ),
})

/** The node that was added. */
export const memberAnswer = z.looseObject({ member: z.looseObject({ name: z.string() }) })
/** Who leads after a transfer. */
export const leaderAnswer = z.looseObject({ leader: z.string() })

/** Gateways that the cluster knows, and what they have applied. */
export const gatewaysAnswer = z.looseObject({
  items: z.array(
    z.looseObject({
      name: z.string(),
      node: z.string(),
      connected: z.boolean(),
      revision: z.number().nullish(),
      behind: z.number().nullish(),
      lastReportMs: z.number().nullish(),
      version: z.string().nullish(),
      workers: z.number().nullish(),
      quarantined: z
        .array(z.looseObject({ kind: z.string(), name: z.string(), reason: z.string() }))
        .nullish(),
      labels: z.record(z.string(), z.string()).nullish(),
    }),
  ),
  cursor: z.string().nullish(),
})

const change = z.looseObject({ op: z.string(), kind: z.string(), name: z.string() })

/** Who changed what, newest first. */
export const historyAnswer = z.looseObject({
  items: z.array(
    z.looseObject({
      revision: z.number(),
      at: z.union([z.string(), z.number()]),
      author: z.string().nullish(),
      message: z.string().nullish(),
      changes: z.array(change),
    }),
  ),
  /** Revision to go on before. */
  cursor: z.number().nullish(),
})

/** What differs between two revisions. */
export const diffAnswer = z.looseObject({
  from: z.number(),
  to: z.number(),
  changes: z.array(
    z.looseObject({
      op: z.enum(['added', 'changed', 'removed']),
      kind: z.string(),
      name: z.string(),
      before: definition.nullish(),
      after: definition.nullish(),
    }),
  ),
})

const candidate = z.looseObject({
  api: z.string(),
  route: z.number(),
  host: z.string(),
  match: z.string(),
  path: z.string(),
  reason: z.string(),
})

/** The decision for one request; the shape of `Explanation` in shared/routing/types.ts. */
export const explainAnswer = z.looseObject({
  matched: candidate.extend({ upstream: z.string(), targetPath: z.string() }).nullable(),
  candidates: z.array(candidate),
})

const streamCandidate = z.looseObject({ stream: z.string(), host: z.string(), reason: z.string() })

/** The decision for one connection; the shape of `StreamExplanation` in shared/routing/explain-stream.ts. */
export const explainStreamAnswer = z.looseObject({
  matched: streamCandidate.extend({ port: z.number(), upstream: z.string() }).nullable(),
  candidates: z.array(streamCandidate),
})

/** What a node says of itself before anything else works. */
export const healthAnswer = z.looseObject({ version: z.string().optional() })

/** One line of `GET /v1/watch`, as far as `raftway watch` explains it. */
export const watchLineAnswer = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('snapshot'), revision: z.number(), count: z.number() }),
  z.looseObject({ type: z.literal('definition') }),
  z.looseObject({ type: z.literal('snapshot-end'), revision: z.number() }),
  z.looseObject({
    type: z.literal('change'),
    revision: z.number(),
    changes: z.array(
      z.discriminatedUnion('op', [
        z.looseObject({ op: z.literal('put'), definition }),
        z.looseObject({ op: z.literal('delete'), kind: z.string(), name: z.string() }),
      ]),
    ),
  }),
  z.looseObject({ type: z.literal('bookmark'), revision: z.number() }),
  z.looseObject({ type: z.literal('compacted'), revision: z.number() }),
  z.looseObject({ type: z.literal('closed'), reason: z.string() }),
])

/** Any JSON object: for calls whose answer is only shown. */
export const anyAnswer = z.looseObject({})

export type DefinitionAnswer = z.infer<typeof definitionAnswer>
export type WriteAnswer = z.infer<typeof writeAnswer>
export type Rollout = z.infer<typeof rolloutAnswer>
export type ClusterAnswer = z.infer<typeof clusterAnswer>
export type GatewaysAnswer = z.infer<typeof gatewaysAnswer>
export type HistoryAnswer = z.infer<typeof historyAnswer>
export type WatchLineAnswer = z.infer<typeof watchLineAnswer>
