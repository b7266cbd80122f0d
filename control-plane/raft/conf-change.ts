import { EMPTY } from './entry.ts'
import type { Entry, NodeId } from './messages.ts'

/** One step of a membership change. `update` changes nothing; it is kept for logs that hold it. */
export type MemberChange = {
  readonly type: 'add-voter' | 'add-learner' | 'remove' | 'update'
  /** 0 is skipped: the shell's way to nullify a change that it must not carry out. */
  readonly id: NodeId
}

/**
 * A membership change as it travels in an entry. No changes and an `auto` transition mean: leave the joint
 * membership. `auto` uses a joint membership only when more than one member changes, and leaves it by itself;
 * `joint-implicit` always uses and leaves one; `joint-explicit` waits to be told.
 * Source: Raft thesis 4.3; etcd-io/raft `ConfChangeV2`.
 */
export type ConfChange = {
  readonly transition: 'auto' | 'joint-implicit' | 'joint-explicit'
  readonly changes: readonly MemberChange[]
  /** Carried through untouched, for the shell. */
  readonly context: Uint8Array
}

/** Whether `change` only ends a joint membership. */
export function leavesJoint(change: ConfChange): boolean {
  return change.transition === 'auto' && change.changes.length === 0
}

/** Whether `change` begins a joint membership. */
export function entersJoint(change: ConfChange): boolean {
  return change.transition !== 'auto' || change.changes.length > 1
}

/** Payload of an entry of type `conf-change-v2`, in etcd's protobuf layout. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  const bytes: number[] = []
  putField(bytes, 1, TRANSITIONS.indexOf(change.transition))
  for (const { type, id } of change.changes) {
    const single: number[] = []
    putField(single, 1, CHANGE_TYPES.indexOf(type))
    putField(single, 2, id)
    bytes.push((2 << 3) | 2)
    putVarint(bytes, single.length)
    for (const byte of single) bytes.push(byte)
  }
  putBytes(bytes, 3, change.context)
  return Uint8Array.from(bytes)
}

/** Payload of an entry of type `conf-change`: the old format, of exactly one change and no transition. */
export function encodeSingleChange(change: MemberChange, context: Uint8Array): Uint8Array {
  const bytes: number[] = []
  putField(bytes, 2, CHANGE_TYPES.indexOf(change.type))
  putField(bytes, 3, change.id)
  putBytes(bytes, 4, context)
  return Uint8Array.from(bytes)
}

/** The change in an entry of either format. Throws `RangeError` on a damaged payload or another entry type. */
export function decodeConfChange(entry: Entry): ConfChange {
  if (entry.type === 'conf-change-v2') return decodeJoint(entry.data)
  if (entry.type === 'conf-change') return decodeSingle(entry.data)
  throw new RangeError(`entry ${entry.index} is not a membership change`)
}

const TRANSITIONS = ['auto', 'joint-implicit', 'joint-explicit'] as const
const CHANGE_TYPES = ['add-voter', 'remove', 'update', 'add-learner'] as const

type Field = { readonly number: number; readonly value: number; readonly bytes: Uint8Array }

function decodeJoint(data: Uint8Array): ConfChange {
  let transition: ConfChange['transition'] = 'auto'
  const changes: MemberChange[] = []
  let context: Uint8Array = EMPTY
  for (const field of fieldsOf(data)) {
    if (field.number === 1) transition = pick(TRANSITIONS, field.value)
    else if (field.number === 2) changes.push(decodeMemberChange(field.bytes))
    else if (field.number === 3) context = field.bytes
  }
  return { transition, changes, context }
}

function decodeMemberChange(data: Uint8Array): MemberChange {
  let type: MemberChange['type'] = 'add-voter'
  let id = 0
  for (const field of fieldsOf(data)) {
    if (field.number === 1) type = pick(CHANGE_TYPES, field.value)
    else if (field.number === 2) id = field.value
  }
  return { type, id }
}

function decodeSingle(data: Uint8Array): ConfChange {
  let type: MemberChange['type'] = 'add-voter'
  let id = 0
  let context: Uint8Array = EMPTY
  for (const field of fieldsOf(data)) {
    if (field.number === 2) type = pick(CHANGE_TYPES, field.value)
    else if (field.number === 3) id = field.value
    else if (field.number === 4) context = field.bytes
  }
  return { transition: 'auto', changes: [{ type, id }], context }
}

function pick<T>(names: readonly T[], at: number): T {
  const name = names[at]
  if (name === undefined) throw new RangeError(`membership change: unknown kind ${at}`)
  return name
}

function putField(bytes: number[], number: number, value: number): void {
  bytes.push(number << 3)
  putVarint(bytes, value)
}

function putBytes(bytes: number[], number: number, value: Uint8Array): void {
  if (value.length === 0) return
  bytes.push((number << 3) | 2)
  putVarint(bytes, value.length)
  for (const byte of value) bytes.push(byte)
}

function putVarint(bytes: number[], value: number): void {
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
}

/** Splits a payload into its fields: varints (wire type 0) and byte strings (wire type 2), the only two in use. */
function fieldsOf(data: Uint8Array): Field[] {
  const fields: Field[] = []
  let at = 0
  while (at < data.length) {
    const tag = readVarint(data, at)
    const first = readVarint(data, tag.next)
    const number = Math.floor(tag.value / 8)
    at = first.next
    if (tag.value % 8 === 0) {
      fields.push({ number, value: first.value, bytes: EMPTY })
    } else if (tag.value % 8 === 2 && at + first.value <= data.length) {
      fields.push({ number, value: 0, bytes: data.subarray(at, at + first.value) })
      at += first.value
    } else {
      throw new RangeError(`membership change: damaged at byte ${at}`)
    }
  }
  return fields
}

function readVarint(data: Uint8Array, start: number): { value: number; next: number } {
  let value = 0
  let scale = 1
  for (let at = start; at < data.length && at < start + 8; at++) {
    const byte = data[at] ?? 0
    value += (byte & 127) * scale
    if (byte < 128 && value <= Number.MAX_SAFE_INTEGER) return { value, next: at + 1 }
    scale *= 128
  }
  throw new RangeError(`membership change: damaged number at byte ${start}`)
}
