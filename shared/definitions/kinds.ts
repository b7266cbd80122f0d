import type { z } from 'zod'
import { apiSpecSchema, type ApiSpec } from './api.ts'
import { upstreamSpecSchema, type UpstreamSpec } from './upstream.ts'

/** What is known of one kind of definition. */
export type KindSpec = {
  /** The collection's name in the HTTP API: `PUT /v1/apis/{name}`. */
  readonly plural: string
  readonly specSchema: z.ZodType
  /** One sentence for `raftway schema` and the reference. */
  readonly summary: string
}

/** Every kind, in the order in which a config is printed and exported. */
export const KINDS = {
  Upstream: {
    plural: 'upstreams',
    specSchema: upstreamSpecSchema,
    summary: 'A named group of targets that Apis send requests to.',
  },
  Api: {
    plural: 'apis',
    specSchema: apiSpecSchema,
    summary: 'Hosts and routes that gateways serve, and where their requests go.',
  },
} as const satisfies Record<string, KindSpec>

export type Kind = keyof typeof KINDS

export const KIND_NAMES = Object.keys(KINDS) as readonly Kind[] // The keys of a constant object are its names.

type Named<K extends Kind, Spec> = {
  readonly kind: K
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec: Spec
}

/** One thing that users write, checked, without the numbers that the cluster gives it. */
export type DefinitionInput = Named<'Api', ApiSpec> | Named<'Upstream', UpstreamSpec>

/**
 * A definition as it stands in the replicated state. Canonical: members in exactly this order, everything inside
 * `labels` and `spec` as `canonical` has it, so that `JSON.stringify` gives the text that is hashed and sent.
 */
export type Definition = DefinitionInput & {
  /** The revision that wrote it last. */
  readonly revision: number
  /** The revision that made it; survives replacement, not deletion. */
  readonly createdRevision: number
}

/** The kind that `text` names: `Api`, `api` or `apis`; null if none does. */
export function kindOf(text: string): Kind | null {
  const wanted = text.toLowerCase()
  return (
    KIND_NAMES.find((kind) => kind.toLowerCase() === wanted || KINDS[kind].plural === wanted) ??
    null
  )
}
