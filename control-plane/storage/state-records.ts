import { ConfigHash } from '../../shared/config-hash.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type {
  AppliedBatch,
  AppliedRecord,
  ClusterAccess,
  ConsumerUsage,
  HistoryRecord,
  IdempotencyRecord,
  NodeAddress,
  RestoredState,
  UsageSource,
} from '../ports.ts'
import { NO_CONF_STATE } from '../raft/memory-log.ts'
import type { ConfState } from '../raft/messages.ts'
import { unreachable } from '../../shared/assert.ts'
import type { Disk, DiskSnapshot, Write } from './disk.ts'
import {
  APPLIED_SUFFIX,
  definitionSuffix,
  historyIndexSuffix,
  historySuffix,
  idempotencySuffix,
  memberSuffix,
  numberOf,
  SECTION,
  sectionRange,
  stateKey,
  suffixOf,
  systemSuffix,
  type Section,
} from './keys.ts'
import { isWhole, seal, SEAL_BYTES, sealJson, unsealJson } from './seal.ts'

/** Where a state stands: written with every batch that changes the state, in the same batch. */
export type AppliedMark = {
  readonly appliedIndex: number
  readonly appliedTerm: number
  readonly confState: ConfState
  readonly revision: number
  readonly hash: string
  readonly compactedRevision: number
  /** Highest level of any feature that the log has used; absent: the least. */
  readonly featureLevel?: number | undefined
}

/** The head of a revision as history stores it: its changes are values of their own. */
export type HistoryHead = Omit<HistoryRecord, 'changes'> & { readonly count: number }

const ACCESS_SUFFIX = systemSuffix('access')
// Names of Consumers and sources have no slash.
const USAGE = 'usage/'
const USAGE_SOURCE = 'usage-source/'

function usageSuffix(consumer: string): Buffer {
  return systemSuffix(`${USAGE}${consumer}`)
}

function usageSourceSuffix(source: string): Buffer {
  return systemSuffix(`${USAGE_SOURCE}${source}`)
}

/** The mark of a state in which nothing happened yet. */
export const EMPTY_MARK: AppliedMark = {
  appliedIndex: 0,
  appliedTerm: 0,
  confState: NO_CONF_STATE,
  revision: 0,
  hash: new ConfigHash().toHex(),
  compactedRevision: 0,
}

/** Where a state stands that has taken in a batch. */
export function advance(from: AppliedMark, batch: AppliedBatch): AppliedMark {
  const { appliedIndex, appliedTerm, confState, records } = batch
  const last = records.findLast((record) => record.type === 'revision')
  const config = last === undefined ? {} : { revision: last.history.revision, hash: last.hash }
  const used = records.findLast((record) => record.type === 'feature-level')
  const level = used === undefined ? {} : { featureLevel: used.level }
  return { ...from, appliedIndex, appliedTerm, confState, ...config, ...level }
}

export function putState(generation: number, suffix: Buffer, value: unknown): Write {
  return { type: 'put', key: stateKey(generation, suffix), value: sealJson(suffix, value) }
}

export function deleteState(generation: number, suffix: Buffer): Write {
  return { type: 'del', key: stateKey(generation, suffix) }
}

export function putMark(generation: number, mark: AppliedMark): Write {
  return putState(generation, APPLIED_SUFFIX, mark)
}

/** What one applied record changes on disk. */
export function recordWrites(generation: number, record: AppliedRecord): Iterable<Write> {
  switch (record.type) {
    case 'revision':
      return revisionWrites(generation, record.history)
    case 'member':
      return [putState(generation, memberSuffix(record.address.id), record.address)]
    case 'member-removed':
      return [deleteState(generation, memberSuffix(record.id))]
    case 'idempotency':
      return [putState(generation, idempotencySuffix(record.index), record.result)]
    case 'idempotency-forgotten':
      return [deleteState(generation, idempotencySuffix(record.index))]
    case 'access':
      return [putState(generation, ACCESS_SUFFIX, record.access)]
    case 'usage':
      return [putState(generation, usageSuffix(record.usage.consumer), record.usage)]
    case 'usage-forgotten':
      return [deleteState(generation, usageSuffix(record.consumer))]
    case 'usage-source':
      return [putState(generation, usageSourceSuffix(record.source.source), record.source)]
    case 'usage-source-forgotten':
      return [deleteState(generation, usageSourceSuffix(record.source))]
    // It is part of the mark, which is written with every batch.
    case 'feature-level':
      return []
    default:
      return unreachable(record)
  }
}

function* revisionWrites(generation: number, history: HistoryRecord): Generator<Write> {
  const { changes, ...rest } = history
  const head: HistoryHead = { ...rest, count: changes.length }
  yield putState(generation, historySuffix(history.revision, 0), head)
  for (const [i, change] of changes.entries()) {
    const { kind, name, after } = change
    const definition = definitionSuffix(kind, name)
    yield after === null
      ? deleteState(generation, definition)
      : putState(generation, definition, after)
    yield putState(generation, historySuffix(history.revision, i + 1), change)
    yield putIndex(generation, historyIndexSuffix(kind, name, history.revision))
  }
}

function putIndex(generation: number, suffix: Buffer): Write {
  return { type: 'put', key: stateKey(generation, suffix), value: seal(suffix, Buffer.alloc(0)) }
}

/** The mark of a generation; that of an empty state when there is none. Throws STORAGE_CORRUPT. */
export async function loadMark(
  disk: Disk,
  generation: number,
  snapshot?: DiskSnapshot,
): Promise<AppliedMark> {
  const sealed = await disk.get(stateKey(generation, APPLIED_SUFFIX), snapshot)
  if (sealed === null) return EMPTY_MARK
  return unsealJson(APPLIED_SUFFIX, sealed, `the applied index in ${disk.path}`) as AppliedMark
}

/**
 * Reads a whole state. STORAGE_CORRUPT when a record is damaged, or when the definitions are not those that the
 * config hash was summed over: one that is missing is found out as well.
 */
export async function loadState(disk: Disk, generation: number): Promise<RestoredState> {
  const mark = await loadMark(disk, generation)
  const sum = new ConfigHash()
  const definitions: Definition[] = []
  for await (const page of sectionPages(disk, generation, SECTION.definitions)) {
    for (const { payload } of page) {
      const text = payload.toString()
      sum.add(text)
      definitions.push(JSON.parse(text) as Definition) // Its checksum says that this program wrote it.
    }
  }
  if (sum.toHex() !== mark.hash) {
    const detail = `the definitions in ${disk.path} do not sum up to the config hash of revision ${mark.revision}`
    throw new RaftwayError('STORAGE_CORRUPT', detail)
  }
  const idempotency: (IdempotencyRecord & { readonly index: number })[] = []
  for await (const page of sectionPages(disk, generation, SECTION.idempotency)) {
    for (const { suffix, payload } of page) {
      const record = JSON.parse(payload.toString()) as IdempotencyRecord
      idempotency.push({ ...record, index: numberOf(suffix) })
    }
  }
  const members: NodeAddress[] = []
  for await (const page of sectionPages(disk, generation, SECTION.members)) {
    for (const { payload } of page) members.push(JSON.parse(payload.toString()) as NodeAddress)
  }
  const access = await loadAccess(disk, generation)
  const usage = await loadUsage(disk, generation)
  return { ...mark, members, access, idempotency, definitions, ...usage }
}

async function loadUsage(
  disk: Disk,
  generation: number,
): Promise<{ readonly usage: ConsumerUsage[]; readonly usageSources: UsageSource[] }> {
  const usage: ConsumerUsage[] = []
  const usageSources: UsageSource[] = []
  for await (const page of sectionPages(disk, generation, SECTION.system)) {
    for (const { suffix, payload } of page) {
      const name = suffix.toString('utf8', 1)
      // Their checksums say that this program wrote them.
      if (name.startsWith(USAGE)) usage.push(JSON.parse(payload.toString()) as ConsumerUsage)
      if (name.startsWith(USAGE_SOURCE)) {
        usageSources.push(JSON.parse(payload.toString()) as UsageSource)
      }
    }
  }
  return { usage, usageSources }
}

async function loadAccess(disk: Disk, generation: number): Promise<ClusterAccess | null> {
  const sealed = await disk.get(stateKey(generation, ACCESS_SUFFIX))
  if (sealed === null) return null
  return unsealJson(ACCESS_SUFFIX, sealed, `the access record in ${disk.path}`) as ClusterAccess
}

type Stored = { readonly suffix: Buffer; readonly payload: Buffer }

/** By pages: a promise for each of a million records would cost more than the records. */
async function* sectionPages(
  disk: Disk,
  generation: number,
  which: Section,
): AsyncGenerator<readonly Stored[]> {
  for await (const page of disk.pages(sectionRange(generation, which))) {
    yield page.map(([key, value]) => {
      const suffix = suffixOf(key)
      if (isWhole(suffix, value)) return { suffix, payload: value.subarray(SEAL_BYTES) }
      const what = `${suffix.toString('latin1')} in ${disk.path}`
      throw new RaftwayError('STORAGE_CORRUPT', `${what} is damaged: its checksum does not match`)
    })
  }
}
