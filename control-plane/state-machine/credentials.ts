import { hash } from 'node:crypto'
import type { Definition, DefinitionInput } from '../../shared/definitions/kinds.ts'
import type { CompileIssue } from '../../shared/routing/types.ts'
import type { HistoryChange } from '../ports.ts'

/** Something that a Consumer is known by: nobody else may have it. */
export type Credential = {
  /** 96 bits, as 12 characters of one byte: the same for the same credential and no other. */
  readonly digest: string
  /** Where it stands in the definition. */
  readonly path: string
  /** What it is, in words. */
  readonly what: string
}

/** Characters of a digest, one byte each. */
export const DIGEST_CHARS = 12

/** Everything that a definition's Consumer is known by; nothing for other kinds. In the order of the definition. */
export function credentialsOf(definition: Definition | DefinitionInput | null): Credential[] {
  if (definition?.kind !== 'Consumer' || definition.spec.credentials === undefined) return []
  const { keys, basic, hmac, certificates, subjects } = definition.spec.credentials
  const found: Credential[] = []
  const add = (digest: string, place: string, what: string): void => {
    found.push({ digest, path: `spec.credentials.${place}`, what })
  }
  for (const [at, key] of (keys ?? []).entries()) {
    // It is a hash already, and the one kind of credential of which there are millions.
    const digest = Buffer.from(key.hash.slice(0, 2 * DIGEST_CHARS), 'hex').toString('latin1')
    add(digest, `keys.${at}.hash`, 'key')
  }
  for (const [at, { username }] of (basic ?? []).entries())
    add(digestOf('username', username), `basic.${at}.username`, 'username')
  for (const [at, { keyId }] of (hmac ?? []).entries())
    add(digestOf('keyId', keyId), `hmac.${at}.keyId`, 'keyId')
  for (const [at, { fingerprint }] of (certificates ?? []).entries())
    add(digestOf('certificate', fingerprint), `certificates.${at}.fingerprint`, 'certificate')
  for (const [at, { issuer, subject }] of (subjects ?? []).entries())
    add(digestOf('subject', issuer ?? '', subject), `subjects.${at}.subject`, 'subject')
  return found
}

function digestOf(...parts: readonly string[]): string {
  return hash('sha256', parts.join('\0'), 'buffer').toString('latin1', 0, DIGEST_CHARS)
}

/** What changes of definitions take from Consumers and give to them, in the order in which it counts. */
export function claimsOf(
  changes: readonly HistoryChange[],
): { readonly digest: string; readonly from: string | null; readonly to: string | null }[] {
  // What is given up is free for others of the same write, wherever they stand in it.
  return [
    ...changes.flatMap(({ name, before }) =>
      credentialsOf(before).map(({ digest }) => ({ digest, from: name, to: null })),
    ),
    ...changes.flatMap(({ name, after }) =>
      credentialsOf(after).map(({ digest }) => ({ digest, from: null, to: name })),
    ),
  ]
}

/**
 * Credentials of changed Consumers that somebody else has, or that two of them would have. `ownerOf` tells who has one
 * before the changes.
 */
export function clashesOf(
  changes: readonly HistoryChange[],
  ownerOf: (digest: string) => string | null,
): CompileIssue[] {
  const staged = new Map<string, string | null>()
  const owner = (digest: string): string | null => {
    const known = staged.get(digest)
    return known === undefined ? ownerOf(digest) : known
  }
  for (const { name, before } of changes) {
    for (const { digest } of credentialsOf(before))
      if (owner(digest) === name) staged.set(digest, null)
  }
  const issues: CompileIssue[] = []
  for (const { kind, name, after } of changes) {
    for (const { digest, path, what } of credentialsOf(after)) {
      const other = owner(digest)
      if (other === null || other === name) staged.set(digest, name)
      else issues.push({ kind, name, path, message: `Consumer "${other}" has this ${what}` })
    }
  }
  return issues
}
