import { canonicalJson } from '../../shared/canonical-json.ts'
import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import type { DefinitionAnswer } from '../answers.ts'
import { consumerSpec } from '../consumers/edit.ts'
import type { Row } from './rows.ts'

/** What a row comes to on top of what stands. */
export type Merged = {
  readonly change: 'created' | 'changed' | 'unchanged'
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly spec: ConsumerSpec
  /** Revision that must stand when it is written; 0: none may. */
  readonly ifRevision: number
}

/**
 * Lays a row on a Consumer: what the row says counts, what it does not say stays, and credentials are added to those
 * that stand, in place of those of the same name.
 */
export function mergeRow(row: Row, standing: DefinitionAnswer | undefined): Merged {
  if (standing === undefined)
    return { change: 'created', labels: row.labels, spec: row.spec, ifRevision: 0 }
  const before = consumerSpec(standing)
  const metadata = { ...before.metadata, ...row.spec.metadata }
  const credentials = mergeCredentials(before.credentials, row.spec.credentials)
  const spec: ConsumerSpec = {
    ...before,
    ...row.spec,
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...(credentials === undefined ? {} : { credentials }),
  }
  const labels =
    standing.labels === undefined && row.labels === undefined
      ? undefined
      : { ...standing.labels, ...row.labels }
  const isSame =
    canonicalJson([standing.labels ?? {}, before]) === canonicalJson([labels ?? {}, spec])
  return {
    change: isSame ? 'unchanged' : 'changed',
    labels,
    spec,
    ifRevision: standing.revision,
  }
}

type Credentials = NonNullable<ConsumerSpec['credentials']>

function mergeCredentials(
  before: Credentials | undefined,
  row: Credentials | undefined,
): Credentials | undefined {
  if (before === undefined || row === undefined) return row ?? before
  const merged = {
    keys: union(before.keys, row.keys, ({ name }) => name),
    basic: union(before.basic, row.basic, ({ username }) => username),
    hmac: union(before.hmac, row.hmac, ({ keyId }) => keyId),
    certificates: union(before.certificates, row.certificates, ({ fingerprint }) => fingerprint),
    subjects: union(before.subjects, row.subjects, (each) => canonicalJson(each)),
  }
  const lists = Object.entries(merged).filter(([, list]) => list !== undefined)
  return Object.fromEntries(lists)
}

/** The first list with members of the second at the places of those with the same key, the others behind. */
function union<T>(
  before: readonly T[] | undefined,
  row: readonly T[] | undefined,
  keyOf: (each: T) => string,
): T[] | undefined {
  if (before === undefined && row === undefined) return undefined
  const byKey = new Map((before ?? []).map((each) => [keyOf(each), each]))
  for (const each of row ?? []) byKey.set(keyOf(each), each)
  return [...byKey.values()]
}
