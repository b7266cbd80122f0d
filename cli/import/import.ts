import { randomBytes } from 'node:crypto'
import { hashApiKey } from '../../shared/definitions/api-key.ts'
import { listAnswer, type DefinitionAnswer } from '../answers.ts'
import type { ControlClient } from '../client.ts'
import { consumerSpec } from '../consumers/edit.ts'
import { definitionPath } from '../kind-argument.ts'
import type { KeyFile, MadeKey } from './key-file.ts'
import { mergeRow, type Merged } from './merge.ts'
import type { Row, RowKey } from './rows.ts'
import { standingConsumers } from './standing.ts'

const KEY_BYTES = 32
const PREFIX_CHARS = 8

/** What an import has to do: rows on top of what stands, and the keys that it has to make first. */
export type ImportPlan = {
  readonly merged: readonly { readonly row: Row; readonly merged: Merged }[]
  readonly made: readonly MadeKey[]
}

/**
 * Works out what rows come to. Keys that are to be made and stand in `keyFile` are taken from there; a Consumer that has a
 * key of the name already keeps it. `nowMs` goes into keys that are made.
 */
export async function planImport(
  client: ControlClient,
  rows: readonly Row[],
  options: { readonly keyFile: KeyFile | null; readonly nowMs: number },
): Promise<ImportPlan> {
  // A read that asks the leader: from now on the node has all that was written before.
  await client.call(
    { method: 'GET', path: definitionPath('Consumer'), query: { limit: 1 } },
    listAnswer,
  )
  const standing = await standingConsumers(client, new Set(rows.map(({ name }) => name)))
  const createdAt = new Date(options.nowMs).toISOString()
  const made: MadeKey[] = []
  const merged = rows.map((row) => {
    const before = standing.get(row.name)
    const key = keyFor(row, before, options.keyFile, createdAt)
    if (key?.isNew === true) made.push(key.made)
    const wanted = key === null ? row : withKey(row, key.made)
    return { row, merged: mergeRow(wanted, before) }
  })
  return { merged, made }
}

function keyFor(
  { name, keyName }: Row,
  standing: DefinitionAnswer | undefined,
  keyFile: KeyFile | null,
  createdAt: string,
): { readonly made: MadeKey; readonly isNew: boolean } | null {
  if (keyName === null || keyFile === null) return null
  const known = keyFile.find(name, keyName)
  if (known !== undefined) return { made: known, isNew: false }
  const keys = standing === undefined ? [] : (consumerSpec(standing).credentials?.keys ?? [])
  if (keys.some((key) => key.name === keyName)) return null
  const key = `rwk_${randomBytes(KEY_BYTES).toString('base64url')}`
  return { made: { consumer: name, name: keyName, key, createdAt }, isNew: true }
}

function withKey(row: Row, { name, key, createdAt }: MadeKey): Row {
  const stored: RowKey = {
    name,
    hash: hashApiKey(key),
    prefix: key.slice(0, PREFIX_CHARS),
    lastFour: key.slice(-4),
    createdAt,
  }
  const { credentials } = row.spec
  const keys = [...(credentials?.keys ?? []), stored]
  return { ...row, spec: { ...row.spec, credentials: { ...credentials, keys } } }
}
