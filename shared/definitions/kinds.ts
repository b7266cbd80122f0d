import type { z } from 'zod'
import {
  BOOTSTRAP_NAME,
  revocationSpecSchema,
  tokenSpecSchema,
  type RevocationSpec,
  type TokenSpec,
} from './access.ts'
import { apiSpecSchema, type ApiSpec } from './api.ts'
import { certificateSpecSchema, type CertificateSpec } from './certificate.ts'
import { consumerSpecSchema, type ConsumerSpec } from './consumer.ts'
import { planSpecSchema, type PlanSpec } from './plan.ts'
import type { SecretPath } from './secret-values.ts'
import { secretSpecSchema, type SecretSpec } from './secret.ts'
import { streamSpecSchema, type StreamSpec } from './stream.ts'
import { upstreamSpecSchema, type UpstreamSpec } from './upstream.ts'

/** What is known of one kind of definition. */
export type KindSpec = {
  /** The collection's name in the HTTP API: `PUT /v1/apis/{name}`. */
  readonly plural: string
  readonly specSchema: z.ZodType
  /** One sentence for `raftway schema` and the reference. */
  readonly summary: string
  /** Where its secrets stand; none if left out. */
  readonly secrets?: readonly SecretPath[]
  /**
   * It says who may do what. Only admins write it, and only by name: to replace the whole config or to go back to an
   * earlier one leaves it alone, or a rollback would bring a revoked token back to life.
   */
  readonly isAccess?: true
  /** Names that no definition of the kind may have. */
  readonly reservedNames?: readonly string[]
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
  Stream: {
    plural: 'streams',
    specSchema: streamSpecSchema,
    summary: 'A TCP port, or TLS names on it, whose connections are passed on as they are.',
  },
  Plan: {
    plural: 'plans',
    specSchema: planSpecSchema,
    summary: 'What the Consumers who have it may do, and how often.',
  },
  Consumer: {
    plural: 'consumers',
    specSchema: consumerSpecSchema,
    summary: 'Somebody who calls Apis, and how to know them.',
    secrets: [['credentials', 'hmac', '*', 'secret']],
  },
  Secret: {
    plural: 'secrets',
    specSchema: secretSpecSchema,
    summary: 'A value that is sealed before it is stored, and never shown.',
    secrets: [['value']],
  },
  Certificate: {
    plural: 'certificates',
    specSchema: certificateSpecSchema,
    summary: 'What gateways show on their https port, and whom they ask for a certificate.',
    secrets: [['key']],
  },
  Token: {
    plural: 'tokens',
    specSchema: tokenSpecSchema,
    summary: 'What a bearer may do; made by `raftway token create`.',
    isAccess: true,
    reservedNames: [BOOTSTRAP_NAME],
  },
  Revocation: {
    plural: 'revocations',
    specSchema: revocationSpecSchema,
    summary: 'A token or certificate that is refused from now on.',
    isAccess: true,
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
export type DefinitionInput =
  | Named<'Api', ApiSpec>
  | Named<'Upstream', UpstreamSpec>
  | Named<'Stream', StreamSpec>
  | Named<'Plan', PlanSpec>
  | Named<'Consumer', ConsumerSpec>
  | Named<'Secret', SecretSpec>
  | Named<'Certificate', CertificateSpec>
  | Named<'Token', TokenSpec>
  | Named<'Revocation', RevocationSpec>

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

/** Whether a kind says who may do what. */
export function isAccessKind(kind: Kind): boolean {
  const spec: KindSpec = KINDS[kind]
  return spec.isAccess === true
}

/** Where the secrets of a kind stand. */
export function secretPathsOf(kind: Kind): readonly SecretPath[] {
  const spec: KindSpec = KINDS[kind]
  return spec.secrets ?? NO_PATHS
}

const NO_PATHS: readonly SecretPath[] = []

/** The kind that `text` names: `Api`, `api` or `apis`; null if none does. */
export function kindOf(text: string): Kind | null {
  const wanted = text.toLowerCase()
  return (
    KIND_NAMES.find((kind) => kind.toLowerCase() === wanted || KINDS[kind].plural === wanted) ??
    null
  )
}
