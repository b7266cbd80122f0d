import { decodeConfChange, type MemberChange } from '../../../control-plane/raft/conf-change.ts'
import { hex, MESSAGE_NAMES, ROLE_NAMES } from '../../../control-plane/raft/log-text.ts'
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfState,
  type Entry,
  type EntryId,
  type HardState,
  type Message,
  type NodeId,
  type SnapshotMeta,
} from '../../../control-plane/raft/messages.ts'
import type { ProgressStatus, Ready } from '../../../control-plane/raft/raw-node.ts'

// The words in which etcd's transcripts print what goes in and out of a node.

export function describeReady(ready: Ready): string {
  let text = ''
  if (ready.softState !== null) {
    text += `Lead:${ready.softState.leader} State:${ROLE_NAMES[ready.softState.role]}\n`
  }
  if (ready.hardState !== null) text += `HardState ${describeHardState(ready.hardState)}\n`
  if (ready.readStates.length > 0) {
    const states = ready.readStates.map(({ index, context }) => `{${index} ${bytesOf(context)}}`)
    text += `ReadStates [${states.join(' ')}]\n`
  }
  if (ready.entries.length > 0) text += `Entries:\n${describeEntries(ready.entries)}`
  if (ready.snapshot !== null) text += `Snapshot ${describeSnapshot(ready.snapshot)}\n`
  if (ready.committed.length > 0) text += `CommittedEntries:\n${describeEntries(ready.committed)}`
  if (ready.messages.length > 0) {
    text += 'Messages:\n'
    for (const message of ready.messages) text += `${describeMessage(message)}\n`
  }
  return text === '' ? '<empty Ready>' : `Ready MustSync=${ready.mustSync}:\n${text}`
}

export function describeMessage(message: Message, indent = ''): string {
  const fields = fieldsOf(message)
  let text =
    `${indent}${target(message.from)}->${target(message.to)} ${MESSAGE_NAMES[message.type]} ` +
    `Term:${message.term} Log:${fields.log.term}/${fields.log.index}`
  if (fields.rejectHint !== null) text += ` Rejected (Hint: ${fields.rejectHint})`
  if (fields.commit !== 0) text += ` Commit:${fields.commit}`
  if (fields.vote !== 0) text += ` Vote:${fields.vote}`
  const [only] = fields.entries
  if (fields.entries.length === 1 && only !== undefined) text += ` Entries:[${describeEntry(only)}]`
  if (fields.entries.length > 1) {
    text += ' Entries:['
    for (const entry of fields.entries) text += `\n${indent}  ${describeEntry(entry)}`
    text += `\n${indent}]`
  }
  if (fields.snapshot !== null) {
    text += `\n${indent}  Snapshot: ${describeSnapshot(fields.snapshot)}`
  }
  if (fields.responses.length > 0) {
    text += ' Responses:['
    for (const response of fields.responses) text += `\n${describeMessage(response, `${indent}  `)}`
    text += `\n${indent}]`
  }
  return text
}

export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${describeEntry(entry)}\n`).join('')
}

export function describeProgressStatus(id: NodeId, progress: ProgressStatus): string {
  const state = { probe: 'StateProbe', replicate: 'StateReplicate', snapshot: 'StateSnapshot' }
  let text = `${id}: ${state[progress.state]} match=${progress.match} next=${progress.next}`
  if (progress.isLearner) text += ' learner'
  if (progress.isPaused) text += ' paused'
  if (progress.pendingSnapshot > 0) text += ` pendingSnap=${progress.pendingSnapshot}`
  if (!progress.recentActive) text += ' inactive'
  if (progress.inflightMessages > 0) text += ` inflight=${progress.inflightMessages}`
  if (progress.isInflightFull) text += '[full]'
  return `${text}\n`
}

/** etcd's short form of a membership change: v1 l2 r3 u4. */
export function parseChanges(text: string): MemberChange[] {
  const letters: Readonly<Record<string, MemberChange['type']>> = {
    v: 'add-voter',
    l: 'add-learner',
    r: 'remove',
    u: 'update',
  }
  const tokens = text.split(/\s+/).filter((token) => token !== '')
  return tokens.map((token) => {
    const type = letters[token.slice(0, 1)]
    if (type === undefined) throw new Error(`unknown input: ${token}`)
    return { type, id: Number(token.slice(1)) }
  })
}

type Fields = {
  log: EntryId
  rejectHint: number | null
  commit: number
  vote: NodeId
  entries: readonly Entry[]
  snapshot: SnapshotMeta | null
  responses: readonly Message[]
}

function fieldsOf(message: Message): Fields {
  const fields: Fields = {
    log: { term: 0, index: 0 },
    rejectHint: null,
    commit: 0,
    vote: 0,
    entries: [],
    snapshot: null,
    responses: [],
  }
  if ('reject' in message && message.reject) fields.rejectHint = 0
  if ('entries' in message) fields.entries = message.entries
  if ('responses' in message) fields.responses = message.responses
  if ('snapshot' in message) fields.snapshot = message.snapshot
  if ('commit' in message) fields.commit = message.commit
  if ('last' in message) fields.log = message.last
  if (message.type === 'app') fields.log = message.prev
  if (message.type === 'app-resp') {
    fields.log = { term: message.hint.term, index: message.index }
    if (message.reject) fields.rejectHint = message.hint.index
  }
  if (message.type === 'storage-append' && message.hardState !== null) {
    fields.commit = message.hardState.commit
    fields.vote = message.hardState.vote
  }
  if (message.type === 'read-index' || message.type === 'read-index-resp') {
    const data = Buffer.from(message.context)
    fields.entries = [{ term: 0, index: 0, type: 'normal', data, size: 0 }]
    if (message.type === 'read-index-resp') fields.log = { term: 0, index: message.index }
  }
  return fields
}

function describeEntry(entry: Entry): string {
  const id = `${entry.term}/${entry.index}`
  if (entry.type === 'normal') return `${id} EntryNormal ${quote(entry.data)}`
  const name = entry.type === 'conf-change' ? 'EntryConfChange' : 'EntryConfChangeV2'
  const letters = { 'add-voter': 'v', 'add-learner': 'l', remove: 'r', update: 'u' }
  const changes = decodeConfChange(entry).changes.map((change) => letters[change.type] + change.id)
  return `${id} ${name} ${changes.join(' ')}`.trimEnd()
}

function describeHardState(state: HardState): string {
  const vote = state.vote === 0 ? '' : ` Vote:${state.vote}`
  return `Term:${state.term}${vote} Commit:${state.commit}`
}

function describeSnapshot(snapshot: SnapshotMeta): string {
  return `Index:${snapshot.index} Term:${snapshot.term} ConfState:${describeConfState(snapshot.confState)}`
}

function describeConfState(state: ConfState): string {
  const list = (ids: readonly NodeId[]): string => `[${ids.join(' ')}]`
  return (
    `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} ` +
    `Learners:${list(state.learners)} LearnersNext:${list(state.learnersNext)} ` +
    `AutoLeave:${state.autoLeave}`
  )
}

function target(id: NodeId): string {
  if (id === 0) return 'None'
  if (id === APPEND_THREAD) return 'AppendThread'
  return id === APPLY_THREAD ? 'ApplyThread' : hex(id)
}

function quote(data: Uint8Array): string {
  return JSON.stringify(Buffer.from(data).toString())
}

function bytesOf(context: string): string {
  return `[${[...Buffer.from(context)].join(' ')}]`
}
