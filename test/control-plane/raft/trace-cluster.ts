import { encodeSingleChange, type ConfChange } from '../../../control-plane/raft/conf-change.ts'
import { EMPTY, makeEntry, ZERO_ID } from '../../../control-plane/raft/entry.ts'
import type { LogStorage } from '../../../control-plane/raft/log-storage.ts'
import { MESSAGE_NAMES, ROLE_NAMES } from '../../../control-plane/raft/log-text.ts'
import { MemoryLog, NO_CONF_STATE } from '../../../control-plane/raft/memory-log.ts'
import type {
  Entry,
  HardState,
  Message,
  MessageOf,
  NodeId,
  SnapshotMeta,
} from '../../../control-plane/raft/messages.ts'
import {
  decodeConfChange,
  isLocalMessage,
  RawNode,
  type RaftOptions,
} from '../../../control-plane/raft/raw-node.ts'
import { Random } from '../../../shared/random.ts'
import {
  describeEntries,
  describeMessage,
  describeProgressStatus,
  describeReady,
  parseChanges,
} from './trace-describe.ts'
import { parseDirective, type TraceArg, type TraceCase } from './trace-file.ts'

const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE']

/** A refusal that a transcript shows as output. */
class Refusal extends Error {}

type TraceNode = {
  readonly id: NodeId
  readonly raw: RawNode
  readonly log: MemoryLog
  readonly options: RaftOptions
  readonly appendWork: MessageOf<'storage-append'>[]
  readonly applyWork: MessageOf<'storage-apply'>[]
  /** What this node's state machine went through; the last one is what it would send as a snapshot. */
  readonly history: SnapshotMeta[]
}

/** A scripted cluster that runs the commands of etcd's interaction transcripts and prints what happens. */
export class TraceCluster {
  readonly #nodes: TraceNode[] = []
  #inFlight: Message[] = []
  #output = ''
  #level = 0

  /** Runs one case of a transcript and returns its output. */
  run(trace: TraceCase): string {
    this.#output = ''
    const refusal = this.#attempt(() => {
      if (trace.command === 'propose-conf-change') {
        this.#proposeConfChange(trace.args, trace.input)
      } else {
        this.#runAll(trace)
      }
    })
    if (refusal !== null && this.#isQuiet()) return refusal
    this.#write(refusal ?? '')
    return this.#output === '' ? 'ok' : this.#output
  }

  #runAll(trace: TraceCase): void {
    this.#command(trace.command, trace.args)
    for (const line of trace.input.split('\n').filter((text) => text.trim() !== '')) {
      const [command, args] = parseDirective(line)
      const refusal = this.#attempt(() => this.#command(command, args))
      if (refusal !== null && this.#isQuiet()) throw new Refusal(refusal)
      this.#write(refusal ?? '')
    }
  }

  #attempt(work: () => void): string | null {
    try {
      work()
      return null
    } catch (error) {
      if (error instanceof Refusal) return error.message
      throw error
    }
  }

  #command(command: string, args: readonly TraceArg[]): void {
    const first = (): TraceNode => this.#node(Number(args[0]?.key))
    switch (command) {
      case '_breakpoint':
        return
      case 'add-nodes':
        return this.#addNodes(args)
      case 'campaign':
        return first().raw.campaign()
      case 'compact':
        return this.#compact(first(), Number(args[1]?.key))
      case 'deliver-msgs':
        return this.#deliverCommand(args)
      case 'process-ready':
        return this.#each(args, 'handling Ready', (node) => this.#processReady(node))
      case 'process-append-thread':
        return this.#each(args, 'processing append thread', (node) => this.#processAppend(node))
      case 'process-apply-thread':
        return this.#each(args, 'processing apply thread', (node) => this.#processApply(node))
      case 'log-level':
        return this.#setLevel(args[0]?.key ?? '')
      case 'raft-log':
        return this.#raftLog(first())
      case 'raft-state':
        return this.#raftState()
      case 'set-randomized-election-timeout':
        return first().raw.setElectionTimeout(Number(valueOf(args, 'timeout')))
      case 'stabilize':
        return this.#stabilizeCommand(args)
      case 'status':
        return this.#status(first())
      case 'tick-election':
        return this.#tick(first(), first().options.electionTicks)
      case 'tick-heartbeat':
        return this.#tick(first(), first().options.heartbeatTicks)
      case 'tick':
        return this.#tick(first(), Number(args[1]?.key))
      case 'transfer-leadership':
        return this.#node(Number(valueOf(args, 'from'))).raw.transferLeader(
          Number(valueOf(args, 'to')),
        )
      case 'forget-leader':
        return first().raw.forgetLeader()
      case 'send-snapshot':
        return this.#sendSnapshot(first(), Number(args[1]?.key))
      case 'propose':
        return this.#expect(first().raw.propose([Buffer.from(args[1]?.key ?? '')]))
      case 'read-index':
        return first().raw.readIndex(args[1]?.key ?? '')
      case 'report-unreachable':
        return first().raw.reportUnreachable(Number(args[1]?.key))
      default:
        throw new Refusal('unknown command')
    }
  }

  #addNodes(args: readonly TraceArg[]): void {
    const count = Number(args[0]?.key)
    const options = args.slice(1)
    const index = Number(valueOf(options, 'index') ?? 0)
    const confState = {
      ...NO_CONF_STATE,
      voters: numbersOf(options, 'voters'),
      learners: numbersOf(options, 'learners'),
    }
    const isBootstrap = options.some(({ key }) => BOOTSTRAP_KEYS.has(key))
    for (let i = 0; i < count; i++) {
      if (isBootstrap && index <= 1) {
        throw new Refusal('index must be specified as > 1 due to bootstrap')
      }
      const snapshot = { term: isBootstrap ? 1 : 0, index, confState }
      const log = new MemoryLog()
      if (isBootstrap) log.applySnapshot(snapshot)
      const history = [snapshot]
      const id = this.#nodes.length + 1
      const storage = storageOf(log, history)
      const raftOptions = { ...DEFAULTS, ...parseOptions(options), id, storage, applied: index }
      const node = { ...raftOptions, log: this.#logger(), random: new Random(id) }
      const raw = new RawNode(node)
      this.#nodes.push({ id, raw, log, options: node, appendWork: [], applyWork: [], history })
    }
  }

  #proposeConfChange(args: readonly TraceArg[], input: string): void {
    const node = this.#node(Number(args[0]?.key))
    const isSingle = ['true', 't', '1'].includes(valueOf(args, 'v1') ?? 'false')
    const transition = TRANSITIONS[valueOf(args, 'transition') ?? 'auto']
    if (transition === undefined) throw new Refusal('unknown transition')
    const changes = parseChanges(input)
    if (!isSingle) {
      return this.#expect(node.raw.proposeConfChange({ transition, changes, context: EMPTY }))
    }
    const [change] = changes
    if (change === undefined || changes.length > 1 || transition !== 'auto') {
      throw new Refusal('v1 conf change can only have one operation and no transition')
    }
    const entries = [makeEntry(ZERO_ID, 'conf-change', encodeSingleChange(change, EMPTY))]
    this.#expect(node.raw.step({ type: 'prop', from: node.id, to: node.id, term: 0, entries }))
  }

  #deliverCommand(args: readonly TraceArg[]): void {
    const type = valueOf(args, 'type')
    let count = 0
    for (const { key, values } of args) {
      if (key === 'type') continue
      const isDropped = key === 'drop'
      for (const id of isDropped ? values.map(Number) : [Number(key)]) {
        count += this.#deliver(id, { isDropped, type })
      }
    }
    if (count === 0) this.#write('no messages\n')
  }

  #deliver(to: NodeId, options: { isDropped: boolean; type: string | undefined }): number {
    const taken = this.#messagesFor(to, options)
    this.#inFlight = this.#inFlight.filter((message) => !taken.includes(message))
    for (const message of taken) {
      this.#write(`${options.isDropped ? 'dropped: ' : ''}${describeMessage(message)}\n`)
      if (options.isDropped) continue
      const isFromThread = message.from < 0
      if (isLocalMessage(message.type) && !isFromThread) {
        this.#write('raft: cannot step raft local message\n')
      } else if (this.#node(to).raw.step(message) === 'dropped') {
        const isProposal = message.type === 'prop'
        this.#write(`${isProposal ? DROPPED : 'raft: cannot step as peer not found'}\n`)
      }
    }
    return taken.length
  }

  /** Local messages are never lost, so dropping spares them. */
  #messagesFor(to: NodeId, options: { isDropped: boolean; type: string | undefined }): Message[] {
    return this.#inFlight.filter((message) => {
      const isLocal = message.from === message.to || message.from < 0 || message.to < 0
      const isType = options.type === undefined || MESSAGE_NAMES[message.type] === options.type
      return message.to === to && isType && !(options.isDropped && isLocal)
    })
  }

  #processReady(node: TraceNode): void {
    const ready = node.raw.ready()
    this.#write(describeReady(ready))
    const { asyncStorageWrites } = node.options
    if (!asyncStorageWrites) {
      persist(node, ready)
      apply(node, ready.committed)
    }
    for (const message of ready.messages) {
      if (message.type === 'storage-append') node.appendWork.push(message)
      else if (message.type === 'storage-apply') node.applyWork.push(message)
      else this.#inFlight.push(message)
    }
    if (!asyncStorageWrites) node.raw.advance()
  }

  #processAppend(node: TraceNode): void {
    const work = node.appendWork.shift()
    if (work === undefined) return this.#write('no append work to perform')
    this.#write(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`)
    persist(node, work)
    this.#respond(work.responses)
  }

  #processApply(node: TraceNode): void {
    const work = node.applyWork.shift()
    if (work === undefined) return this.#write('no apply work to perform')
    this.#write(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`)
    apply(node, work.entries)
    this.#respond(work.responses)
  }

  #respond(responses: readonly Message[]): void {
    this.#write('Responses:\n')
    for (const response of responses) {
      this.#write(`${describeMessage(response)}\n`)
      this.#inFlight.push(response)
    }
  }

  #stabilizeCommand(args: readonly TraceArg[]): void {
    const ids = args.filter(({ values }) => values.length === 0).map(({ key }) => Number(key))
    const before = this.#level
    const level = valueOf(args, 'log-level')
    if (level !== undefined) this.#setLevel(level)
    const nodes = ids.length === 0 ? this.#nodes : ids.map((id) => this.#node(id))
    while (this.#stabilizeOnce(nodes));
    this.#level = before
  }

  #stabilizeOnce(nodes: readonly TraceNode[]): boolean {
    let isBusy = false
    const note = (node: TraceNode, what: string, work: () => void): void => {
      this.#write(`> ${node.id} ${what}\n`)
      work()
      isBusy = true
    }
    for (const node of nodes) {
      if (!node.raw.hasReady()) continue
      note(node, 'handling Ready', () => this.#indented(() => this.#processReady(node)))
    }
    const all = { isDropped: false, type: undefined }
    for (const node of nodes) {
      if (this.#messagesFor(node.id, all).length === 0) continue
      note(node, 'receiving messages', () => this.#indented(() => this.#deliver(node.id, all)))
    }
    for (const node of nodes) {
      if (node.appendWork.length === 0) continue
      note(node, 'processing append thread', () => {
        while (node.appendWork.length > 0) this.#indented(() => this.#processAppend(node))
      })
    }
    for (const node of nodes) {
      if (node.applyWork.length === 0) continue
      note(node, 'processing apply thread', () => {
        while (node.applyWork.length > 0) this.#indented(() => this.#processApply(node))
      })
    }
    return isBusy
  }

  #compact(node: TraceNode, index: number): void {
    if (index < node.log.firstIndex()) {
      throw new Refusal('requested index is unavailable due to compaction')
    }
    node.log.compact(index)
    this.#raftLog(node)
  }

  #raftLog(node: TraceNode): void {
    const first = node.log.firstIndex()
    const last = node.log.lastIndex()
    if (last < first) {
      this.#write(`log is empty: first index=${first}, last index=${last}`)
      return
    }
    const entries = node.log.entries(first, last + 1, Number.MAX_SAFE_INTEGER)
    if (typeof entries === 'string') throw new Refusal(entries)
    this.#write(describeEntries(entries))
  }

  #raftState(): void {
    for (const { raw } of this.#nodes) {
      const { id, role, term, leader, confState } = raw.status()
      const isVoter = confState.voters.includes(id) || confState.votersOutgoing.includes(id)
      const kind = isVoter ? '(Voter)' : '(Non-Voter)'
      this.#write(`${id}: ${ROLE_NAMES[role]} ${kind} Term:${term} Lead:${leader}\n`)
    }
  }

  #status(node: TraceNode): void {
    for (const [id, progress] of node.raw.status().progress ?? []) {
      this.#write(describeProgressStatus(id, progress))
    }
  }

  #sendSnapshot(node: TraceNode, to: NodeId): void {
    const snapshot = node.history.at(-1)
    if (snapshot === undefined) throw new Refusal('no snapshot')
    const message: Message = { type: 'snap', from: node.id, to, term: node.raw.term, snapshot }
    this.#inFlight.push(message)
    this.#write(describeMessage(message))
  }

  #tick(node: TraceNode, count: number): void {
    for (let i = 0; i < count; i++) node.raw.tick()
  }

  #each(args: readonly TraceArg[], what: string, work: (node: TraceNode) => void): void {
    for (const { key } of args) {
      const node = this.#node(Number(key))
      if (args.length === 1) {
        work(node)
      } else {
        this.#write(`> ${key} ${what}\n`)
        this.#indented(() => work(node))
      }
    }
  }

  #expect(outcome: 'ok' | 'dropped'): void {
    if (outcome === 'dropped') throw new Refusal(DROPPED)
  }

  #node(id: NodeId): TraceNode {
    const node = this.#nodes[id - 1]
    if (node === undefined) throw new Refusal(`node ${id} does not exist`)
    return node
  }

  #setLevel(name: string): void {
    const level = LEVELS.indexOf(name.toUpperCase())
    if (level < 0) throw new Refusal(`log levels must be either of [${LEVELS.join(' ')}]`)
    this.#level = level
  }

  #logger(): RaftOptions['log'] {
    const at =
      (level: number) =>
      (text: string): void => {
        if (this.#level <= level) this.#write(`${LEVELS[level]} ${text}\n`)
      }
    return { debug: at(0), info: at(1), warning: at(2), error: at(3) }
  }

  #isQuiet(): boolean {
    return this.#level === LEVELS.length - 1
  }

  #write(text: string): void {
    if (!this.#isQuiet()) this.#output += text
  }

  #indented(work: () => void): void {
    const before = this.#output
    this.#output = ''
    work()
    const lines = this.#output.split('\n')
    if (lines.at(-1) === '') lines.pop()
    this.#output = before + lines.map((line) => `  ${line}\n`).join('')
  }
}

const DROPPED = 'raft proposal dropped'

const BOOTSTRAP_KEYS = new Set(['voters', 'learners', 'index', 'content'])

const TRANSITIONS: Readonly<Record<string, ConfChange['transition']>> = {
  auto: 'auto',
  implicit: 'joint-implicit',
  explicit: 'joint-explicit',
}

const DEFAULTS = {
  electionTicks: 3,
  heartbeatTicks: 1,
  asyncStorageWrites: false,
  messageBytesMax: Number.MAX_SAFE_INTEGER,
  committedBytesMax: 0,
  uncommittedBytesMax: 0,
  inflightMessagesMax: 2 ** 31 - 1,
  inflightBytesMax: 0,
  checkQuorum: false,
  preVote: false,
  readOnly: 'quorum',
  disableProposalForwarding: false,
  disableConfChangeValidation: false,
  stepDownOnRemoval: false,
} as const

function parseOptions(args: readonly TraceArg[]): Partial<RaftOptions> {
  const options: { -readonly [K in keyof RaftOptions]?: RaftOptions[K] } = {}
  for (const { key, values } of args) {
    const value = values[0] ?? 'true'
    const isOn = value === 'true'
    if (key === 'inflight') options.inflightMessagesMax = Number(value)
    else if (key === 'async-storage-writes') options.asyncStorageWrites = isOn
    else if (key === 'prevote') options.preVote = isOn
    else if (key === 'checkquorum') options.checkQuorum = isOn
    else if (key === 'max-committed-size-per-ready') options.committedBytesMax = Number(value)
    else if (key === 'disable-conf-change-validation') options.disableConfChangeValidation = isOn
    else if (key === 'disable-proposal-forwarding') options.disableProposalForwarding = isOn
    else if (key === 'read-only') options.readOnly = value === 'lease-based' ? 'lease' : 'quorum'
    else if (key === 'step-down-on-removal') options.stepDownOnRemoval = isOn
    else if (key === 'heartbeat-tick') options.heartbeatTicks = Number(value)
    else if (key === 'election-tick') options.electionTicks = Number(value)
    else if (!BOOTSTRAP_KEYS.has(key)) throw new Error(`unknown option ${key}`)
  }
  return options
}

function storageOf(log: MemoryLog, history: readonly SnapshotMeta[]): LogStorage {
  return {
    initialState: () => log.initialState(),
    firstIndex: () => log.firstIndex(),
    lastIndex: () => log.lastIndex(),
    term: (index) => log.term(index),
    entries: (low, high, bytesMax) => log.entries(low, high, bytesMax),
    snapshot: () => history.at(-1) ?? null,
  }
}

function persist(
  node: TraceNode,
  work: {
    readonly hardState: HardState | null
    readonly entries: readonly Entry[]
    readonly snapshot: SnapshotMeta | null
  },
): void {
  if (work.hardState !== null) node.log.setHardState(work.hardState)
  if (work.snapshot === null) return node.log.append(work.entries)
  if (work.entries.length > 0) {
    throw new Refusal("can't apply snapshot and entries at the same time")
  }
  node.log.applySnapshot(work.snapshot)
}

function apply(node: TraceNode, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const confState =
      entry.type === 'normal'
        ? node.history.at(-1)?.confState
        : node.raw.applyConfChange(decodeConfChange(entry))
    const { term, index } = entry
    node.history.push({ term, index, confState: confState ?? NO_CONF_STATE })
  }
}

function valueOf(args: readonly TraceArg[], key: string): string | undefined {
  return args.find((arg) => arg.key === key)?.values[0]
}

function numbersOf(args: readonly TraceArg[], key: string): number[] {
  return (args.find((arg) => arg.key === key)?.values ?? []).map(Number)
}
