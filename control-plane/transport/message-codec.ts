import { assert, unreachable } from '../../shared/assert.ts'
import { makeEntry } from '../raft/entry.ts'
import type {
  ConfState,
  Entry,
  EntryId,
  EntryType,
  Message,
  NodeId,
  SnapshotMeta,
} from '../raft/messages.ts'
import { ByteReader, ByteWriter, malformed, VARINT_BYTES_MAX } from './bytes.ts'

// A message: version, tag, to, from, term, then the fields of its variant in the order of raft/messages.ts. Integers
// are varints. The size of an entry is not sent: it follows from the entry, and is computed again as where it was made.

const VERSION = 1

/** Stable for ever: nodes of two versions talk to each other during an upgrade. */
const TAGS = {
  prop: 1,
  app: 2,
  'app-resp': 3,
  vote: 4,
  'vote-resp': 5,
  'pre-vote': 6,
  'pre-vote-resp': 7,
  snap: 8,
  heartbeat: 9,
  'heartbeat-resp': 10,
  'transfer-leader': 11,
  'timeout-now': 12,
  'read-index': 13,
  'read-index-resp': 14,
} as const

type WireType = keyof typeof TAGS
type WireMessage = Extract<Message, { readonly type: WireType }>

const TYPES = new Map<number, WireType>(
  Object.entries(TAGS).map(([type, tag]) => [tag, type as WireType]),
)

const ENTRY_TYPES: readonly EntryType[] = ['normal', 'conf-change', 'conf-change-v2']

/** Version, tag, to, from, term, and up to three more numbers and flags. */
const FIXED_BYTES_MAX = 2 + 7 * VARINT_BYTES_MAX + 1
/** Of an entry beside its data: type, term, index, length. */
const ENTRY_BYTES_MIN = 4
const ENTRY_HEAD_BYTES_MAX = 1 + 3 * VARINT_BYTES_MAX

/** Whether a message may travel between nodes; the others stay inside one. */
export function isWireMessage(message: Message): message is WireMessage {
  return message.type in TAGS
}

/**
 * The bytes of `message`, behind `reserved` bytes that are left for what the caller puts in front. A local message is
 * refused as our bug. The bytes share nothing with the message.
 */
export function encodeMessage(message: Message, reserved = 0): Buffer {
  assert(isWireMessage(message), 'a local message stays on its node')
  const writer = new ByteWriter(FIXED_BYTES_MAX + variableBytesMax(message), reserved)
  writer.byte(VERSION)
  writer.byte(TAGS[message.type])
  writer.varint(message.to)
  writer.varint(message.from)
  writer.varint(message.term)
  writeBody(writer, message)
  return writer.take()
}

/** The message that `encodeMessage` made `bytes` of; data of entries shares memory with them. FRAME_CORRUPT. */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new ByteReader(bytes)
  const version = reader.byte()
  if (version !== VERSION) throw malformed(`version ${version} is not known`)
  const tag = reader.byte()
  const type = TYPES.get(tag)
  if (type === undefined) throw malformed(`tag ${tag} is not known`)
  const to = reader.varint()
  const from = reader.varint()
  const message = readBody(reader, type, { to, from, term: reader.varint() })
  reader.end()
  return message
}

function writeBody(writer: ByteWriter, message: WireMessage): void {
  switch (message.type) {
    case 'prop':
      return writeEntries(writer, message.entries)
    case 'app':
      writeId(writer, message.prev)
      writer.varint(message.commit)
      return writeEntries(writer, message.entries)
    case 'app-resp':
      writer.varint(message.index)
      writer.flag(message.reject)
      return writeId(writer, message.hint)
    case 'vote':
    case 'pre-vote':
      writeId(writer, message.last)
      return writer.flag(message.isTransfer)
    case 'vote-resp':
    case 'pre-vote-resp':
      return writer.flag(message.reject)
    case 'snap':
      return writeSnapshot(writer, message.snapshot)
    case 'heartbeat':
      writer.varint(message.commit)
      return writer.text(message.context)
    case 'heartbeat-resp':
    case 'read-index':
      return writer.text(message.context)
    case 'read-index-resp':
      writer.varint(message.index)
      return writer.text(message.context)
    case 'transfer-leader':
    case 'timeout-now':
      return
    default:
      unreachable(message)
  }
}

type Common = { readonly to: NodeId; readonly from: NodeId; readonly term: number }

function readBody(reader: ByteReader, type: WireType, common: Common): Message {
  switch (type) {
    case 'prop':
      return { ...common, type, entries: readEntries(reader) }
    case 'app': {
      const prev = readId(reader)
      const commit = reader.varint()
      return { ...common, type, prev, entries: readEntries(reader), commit }
    }
    case 'app-resp': {
      const index = reader.varint()
      const reject = reader.flag()
      return { ...common, type, index, reject, hint: readId(reader) }
    }
    case 'vote':
    case 'pre-vote':
      return { ...common, type, last: readId(reader), isTransfer: reader.flag() }
    case 'vote-resp':
    case 'pre-vote-resp':
      return { ...common, type, reject: reader.flag() }
    case 'snap':
      return { ...common, type, snapshot: readSnapshot(reader) }
    case 'heartbeat':
      return { ...common, type, commit: reader.varint(), context: reader.text() }
    case 'heartbeat-resp':
    case 'read-index':
      return { ...common, type, context: reader.text() }
    case 'read-index-resp':
      return { ...common, type, index: reader.varint(), context: reader.text() }
    case 'transfer-leader':
    case 'timeout-now':
      return { ...common, type }
    default:
      return unreachable(type)
  }
}

function variableBytesMax(message: WireMessage): number {
  if (message.type === 'prop' || message.type === 'app') {
    let bytes = VARINT_BYTES_MAX
    for (const entry of message.entries) bytes += ENTRY_HEAD_BYTES_MAX + entry.data.length
    return bytes
  }
  if ('context' in message) return VARINT_BYTES_MAX + 3 * message.context.length
  if (message.type !== 'snap') return 0
  const { voters, learners, votersOutgoing, learnersNext } = message.snapshot.confState
  const ids = voters.length + learners.length + votersOutgoing.length + learnersNext.length
  return 1 + VARINT_BYTES_MAX * (6 + ids)
}

function writeId(writer: ByteWriter, id: EntryId): void {
  writer.varint(id.term)
  writer.varint(id.index)
}

function readId(reader: ByteReader): EntryId {
  return { term: reader.varint(), index: reader.varint() }
}

function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.varint(entries.length)
  for (const entry of entries) {
    writer.byte(ENTRY_TYPES.indexOf(entry.type))
    writer.varint(entry.term)
    writer.varint(entry.index)
    writer.blob(entry.data)
  }
}

function readEntries(reader: ByteReader): Entry[] {
  const count = reader.count(ENTRY_BYTES_MIN)
  const entries: Entry[] = []
  for (let i = 0; i < count; i++) {
    const code = reader.byte()
    const type = ENTRY_TYPES[code]
    if (type === undefined) throw malformed(`entry type ${code} is not known`)
    const id = readId(reader)
    entries.push(makeEntry(id, type, reader.blob()))
  }
  return entries
}

function writeSnapshot(writer: ByteWriter, snapshot: SnapshotMeta): void {
  writeId(writer, snapshot)
  const { confState } = snapshot
  writeNodes(writer, confState.voters)
  writeNodes(writer, confState.learners)
  writeNodes(writer, confState.votersOutgoing)
  writeNodes(writer, confState.learnersNext)
  writer.flag(confState.autoLeave)
}

function readSnapshot(reader: ByteReader): SnapshotMeta {
  const { term, index } = readId(reader)
  const confState: ConfState = {
    voters: readNodes(reader),
    learners: readNodes(reader),
    votersOutgoing: readNodes(reader),
    learnersNext: readNodes(reader),
    autoLeave: reader.flag(),
  }
  return { term, index, confState }
}

function writeNodes(writer: ByteWriter, nodes: readonly NodeId[]): void {
  writer.varint(nodes.length)
  for (const node of nodes) writer.varint(node)
}

function readNodes(reader: ByteReader): NodeId[] {
  const count = reader.count(1)
  return Array.from({ length: count }, () => reader.varint())
}
