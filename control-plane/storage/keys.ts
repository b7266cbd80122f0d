import type { NodeId } from '../raft/messages.ts'

// One database, three spaces. Numbers are big-endian, so that LevelDB's order of bytes is the order of numbers.
//
//   m <name>                        meta: identity, hard state, log base, generation, notes
//   l <index: 8>                    log entries
//   s <generation: 4> <suffix>      the state. A snapshot is staged under a generation of its own; making it the
//                                   state is writing one number.
//     suffix:  a                    applied index, revision, hash, membership
//              d <kind>/<name>      definitions
//              h <revision: 8> <0: 4>        history: who, when, why
//              h <revision: 8> <n: 4>        its nth change, counted from 1: a value each, so that none grows large
//              i <kind>/<name> 0 <revision: 8>   history of one definition; no value
//              k <index: 8>         idempotency records
//              p <node id: 8>       members
//              s <name>             what the system keeps for itself, by name

const META = 0x6d
const LOG = 0x6c
const STATE = 0x73

/** Bytes of a state key before its suffix. */
const STATE_PREFIX_BYTES = 5

/** The parts of the state, in the order in which a snapshot sends them. */
export const SECTION = {
  applied: 0x61,
  definitions: 0x64,
  history: 0x68,
  historyIndex: 0x69,
  idempotency: 0x6b,
  members: 0x70,
  system: 0x73,
} as const

export type Section = (typeof SECTION)[keyof typeof SECTION]

/** Keys `gte` ≤ key < `lt`. */
export type KeyRange = { readonly gte: Buffer; readonly lt: Buffer }

export function metaKey(name: string): Buffer {
  return Buffer.concat([Buffer.of(META), Buffer.from(name)])
}

export function logKey(index: number): Buffer {
  return Buffer.concat([Buffer.of(LOG), number64(index)])
}

/** Index of a `logKey`. */
export function logIndexOf(key: Buffer): number {
  return Number(key.readBigUInt64BE(1))
}

/** Log entries from `low` on. */
export function logRange(low: number): KeyRange {
  return { gte: logKey(low), lt: Buffer.of(LOG + 1) }
}

export function stateKey(generation: number, suffix: Buffer): Buffer {
  const prefix = Buffer.alloc(STATE_PREFIX_BYTES)
  prefix[0] = STATE
  prefix.writeUInt32BE(generation, 1)
  return Buffer.concat([prefix, suffix])
}

export function isStateKey(key: Buffer): boolean {
  return key[0] === STATE
}

/** What a state key is within its generation. */
export function suffixOf(key: Buffer): Buffer {
  return key.subarray(STATE_PREFIX_BYTES)
}

export function generationOf(key: Buffer): number {
  return key.readUInt32BE(1)
}

/** Everything of one generation. */
export function generationRange(generation: number): KeyRange {
  return {
    gte: stateKey(generation, Buffer.alloc(0)),
    lt: stateKey(generation + 1, Buffer.alloc(0)),
  }
}

/** Every generation from `low` on. */
export function generationsFrom(low: number): KeyRange {
  return { gte: stateKey(low, Buffer.alloc(0)), lt: Buffer.of(STATE + 1) }
}

export function sectionRange(generation: number, section: Section): KeyRange {
  return {
    gte: stateKey(generation, Buffer.of(section)),
    lt: stateKey(generation, Buffer.of(section + 1)),
  }
}

export const APPLIED_SUFFIX = Buffer.of(SECTION.applied)

export function definitionSuffix(kind: string, name: string): Buffer {
  return Buffer.concat([Buffer.of(SECTION.definitions), Buffer.from(`${kind}/${name}`)])
}

/** Kind of a `definitionSuffix`. */
export function kindOf(suffix: Buffer): string {
  return suffix.toString('utf8', 1, suffix.indexOf('/'))
}

/** The head of a revision (`at` 0), or its change number `at`. */
export function historySuffix(revision: number, at: number): Buffer {
  const place = Buffer.allocUnsafe(4)
  place.writeUInt32BE(at)
  return Buffer.concat([Buffer.of(SECTION.history), number64(revision), place])
}

/** Revision and place of a history key. */
export function historyPlaceOf(key: Buffer): { readonly revision: number; readonly at: number } {
  return {
    revision: Number(key.readBigUInt64BE(key.length - 12)),
    at: key.readUInt32BE(key.length - 4),
  }
}

/** History of revisions low ≤ revision < high. */
export function historyRange(generation: number, low: number, high: number): KeyRange {
  return {
    gte: stateKey(generation, historySuffix(low, 0)),
    lt: stateKey(generation, historySuffix(high, 0)),
  }
}

/** History of one definition; without a revision, the beginning of every one of its keys. */
export function historyIndexSuffix(kind: string, name: string, revision: number | null): Buffer {
  const definition = Buffer.from(`${kind}/${name}\0`)
  const tail = revision === null ? Buffer.alloc(0) : number64(revision)
  return Buffer.concat([Buffer.of(SECTION.historyIndex), definition, tail])
}

/** The number at the end of a history index, idempotency or member key. */
export function numberOf(key: Buffer): number {
  return Number(key.readBigUInt64BE(key.length - 8))
}

export function idempotencySuffix(index: number): Buffer {
  return Buffer.concat([Buffer.of(SECTION.idempotency), number64(index)])
}

export function memberSuffix(id: NodeId): Buffer {
  return Buffer.concat([Buffer.of(SECTION.members), number64(id)])
}

export function systemSuffix(name: string): Buffer {
  return Buffer.concat([Buffer.of(SECTION.system), Buffer.from(name)])
}

function number64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
