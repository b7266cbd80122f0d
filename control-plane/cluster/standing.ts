import { z } from 'zod'
import { releaseSchema } from '../../shared/features.ts'
import type { Identity, NodeAddress, NodeId } from '../ports.ts'

const nodeIdSchema = z.int().min(1)
const clusterIdSchema = z.string().min(1).max(64)

/** A node's address as another node or the disk tells it. */
export const nodeAddressSchema = z.object({
  id: nodeIdSchema,
  name: z.string().min(1).max(253),
  api: z.string().max(2_048),
  peer: z.string().min(1).max(300),
  release: releaseSchema.optional(),
})

export const identitySchema = z.object({ clusterId: clusterIdSchema, nodeId: nodeIdSchema })

/** A cluster that is about to be: its id, made by the proposer, and who founds it, in order of id. */
export const proposalSchema = z.object({
  clusterId: clusterIdSchema,
  founders: z.array(nodeAddressSchema).min(1),
})

export const standingSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('fresh') }),
  proposalSchema.extend({ type: z.literal('promised'), proposer: nodeIdSchema }),
  z.object({ type: z.literal('joining'), clusterId: clusterIdSchema }),
  proposalSchema.extend({ type: z.literal('founded') }),
  z.object({
    type: z.literal('joined'),
    identity: identitySchema,
    members: z.array(nodeAddressSchema),
  }),
])

export type Proposal = z.infer<typeof proposalSchema>

/**
 * How far a node without data has come; on disk before anyone hears of it.
 *
 *   fresh ──► promised ──► founded        promised: bound to one proposal, its own if it is the proposer
 *     │ ▲────────╯                        joining: has asked to be taken in, so that it may be a member without
 *     ╰─► joining ──► joined                       knowing it, and belongs nowhere else
 */
export type Standing = z.infer<typeof standingSchema>

export type Promised = Extract<Standing, { type: 'promised' }>

/** Which cluster the node is bound to, in whatever way; null while it is free. */
export function boundTo(standing: Standing): string | null {
  if (standing.type === 'fresh') return null
  return standing.type === 'joined' ? standing.identity.clusterId : standing.clusterId
}

/** Which cluster the node belongs to for good, or null. */
export function memberOf(standing: Standing): string | null {
  return standing.type === 'founded' || standing.type === 'joined' ? boundTo(standing) : null
}

/** What forming or joining came to. */
export type Formation =
  | {
      readonly type: 'founded'
      readonly identity: Identity
      /** The first voters, in order of id: the same on every founder. */
      readonly founders: readonly NodeAddress[]
    }
  | {
      readonly type: 'joined'
      readonly identity: Identity
      readonly members: readonly NodeAddress[]
    }

/** The end of forming for node `self`, or null while there is none. */
export function formationOf(standing: Standing, self: NodeId): Formation | null {
  if (standing.type === 'joined') {
    return { type: 'joined', identity: standing.identity, members: standing.members }
  }
  if (standing.type !== 'founded') return null
  const identity = { clusterId: standing.clusterId, nodeId: self }
  return { type: 'founded', identity, founders: standing.founders }
}
