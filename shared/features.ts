import { z } from 'zod'
import type { Kind } from './definitions/kinds.ts'
import { VERSION } from './version.ts'

/**
 * What a member must know before anybody may write it into the log, by the level at which it came. A level holds
 * everything below it. Whoever adds a kind of command or of definition gives it a feature here, at the level of the
 * release that brings it; a level that was released never changes its meaning.
 */
export const FEATURES = {
  /** Writes of Apis and Upstreams, and members. */
  base: 1,
  /** Tokens, revocations, secrets, and what the cluster keeps for itself to check them. */
  access: 2,
  /** Certificates. */
  tls: 3,
  /** Streams, and targets that speak no HTTP. */
  streams: 4,
  /** Consumers, plans and the plugins that know them. */
  consumers: 5,
} as const

export type Feature = keyof typeof FEATURES

/** What each kind of definition needs. */
export const KIND_FEATURES: Readonly<Record<Kind, Feature>> = {
  Api: 'base',
  Upstream: 'base',
  Stream: 'streams',
  Plan: 'consumers',
  Consumer: 'consumers',
  Secret: 'access',
  Certificate: 'tls',
  Token: 'access',
  Revocation: 'access',
}

/** What a node runs, as it tells the others. */
export type Release = {
  readonly version: string
  /** Everything up to this level is known. */
  readonly featureLevel: number
}

/** A release as another node or the disk tells it. */
export const releaseSchema = z.object({
  version: z.string().min(1).max(64),
  featureLevel: z.int().min(1),
})

/** What this program is. */
export const OWN_RELEASE: Release = {
  version: VERSION,
  featureLevel: Math.max(...Object.values(FEATURES)),
}

/** The level of a node that announces none. */
export const LEAST_LEVEL = FEATURES.base

/** Up to which level a node knows everything. */
export function levelOf({ release }: { readonly release?: Release | undefined }): number {
  return release?.featureLevel ?? LEAST_LEVEL
}

/** Whether two announcements say the same. */
export function isSameRelease(a: Release | undefined, b: Release | undefined): boolean {
  return a?.version === b?.version && a?.featureLevel === b?.featureLevel
}
