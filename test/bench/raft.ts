// Proposals a second through three replicas in memory, committed and applied on all three. The synchronous Ready
// loop does what a driver does, without disk and network: what is left is the price of the core.
import { MemoryLog, NO_CONF_STATE } from '../../control-plane/raft/memory-log.ts'
import type { Message } from '../../control-plane/raft/messages.ts'
import { RawNode } from '../../control-plane/raft/raw-node.ts'
import { Random } from '../../shared/random.ts'

const PAYLOAD = new Uint8Array(128).fill(7)
const RUNS = 5
const BATCHES = [
  { batch: 1, proposals: 60_000 },
  { batch: 64, proposals: 400_000 },
] as const
/** Entries kept before the log is compacted, as a driver would. */
const RETAINED_MAX = 10_000

type Replica = { readonly raw: RawNode; readonly log: MemoryLog; applied: number }

/** Prints one JSON line a figure: the median of several runs. */
export async function run(): Promise<void> {
  for (const { batch, proposals } of BATCHES) {
    const rates = Array.from({ length: RUNS }, () => proposalsPerSecond(batch, proposals))
    const value = Math.round(rates.toSorted((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0)
    console.log(JSON.stringify({ bench: 'raft', figure: 'proposals/s', batch, value }))
    await Promise.resolve()
  }
}

/** Each batch is proposed after the one before it was applied everywhere: nothing is hidden by pipelining. */
function proposalsPerSecond(batch: number, proposals: number): number {
  const replicas = [makeReplica(1), makeReplica(2), makeReplica(3)]
  const leader = replicas[0]
  if (leader === undefined) throw new Error('three replicas')
  leader.raw.campaign()
  settle(replicas)
  const payloads = Array.from({ length: batch }, () => PAYLOAD)
  const start = performance.now()
  const before = leader.applied
  for (let done = 0; done < proposals; done += batch) {
    if (leader.raw.propose(payloads) !== 'ok') throw new Error('a leader takes proposals')
    settle(replicas)
  }
  const seconds = (performance.now() - start) / 1000
  for (const { applied } of replicas) {
    if (applied - before < proposals) throw new Error(`applied ${applied} of ${proposals}`)
  }
  return (leader.applied - before) / seconds
}

function makeReplica(id: number): Replica {
  const log = new MemoryLog()
  const confState = { ...NO_CONF_STATE, voters: [1, 2, 3] }
  log.applySnapshot({ term: 1, index: 1, confState })
  const raw = new RawNode({
    id,
    electionTicks: 10,
    heartbeatTicks: 1,
    storage: log,
    applied: 1,
    asyncStorageWrites: false,
    messageBytesMax: 1 << 20,
    committedBytesMax: 0,
    uncommittedBytesMax: 0,
    inflightMessagesMax: 256,
    inflightBytesMax: 0,
    checkQuorum: true,
    preVote: true,
    readOnly: 'quorum',
    random: new Random(id),
    disableProposalForwarding: false,
    disableConfChangeValidation: false,
    stepDownOnRemoval: true,
    log: null,
  })
  return { raw, log, applied: 1 }
}

/** Carries out Readys and delivers messages until nothing is left to do. */
function settle(replicas: readonly Replica[]): void {
  let inFlight: Message[] = []
  let isBusy = true
  while (isBusy) {
    isBusy = false
    for (const replica of replicas) {
      if (!replica.raw.hasReady()) continue
      carryOut(replica, inFlight)
      isBusy = true
    }
    const arriving = inFlight
    inFlight = []
    for (const message of arriving) replicas[message.to - 1]?.raw.step(message)
    isBusy ||= arriving.length > 0
  }
}

function carryOut(replica: Replica, inFlight: Message[]): void {
  const ready = replica.raw.ready()
  if (ready.hardState !== null) replica.log.setHardState(ready.hardState)
  replica.log.append(ready.entries)
  for (const message of ready.messages) inFlight.push(message)
  replica.applied += ready.committed.length
  replica.raw.advance()
  const retained = replica.applied - replica.log.firstIndex()
  if (retained > RETAINED_MAX) replica.log.compact(replica.applied - RETAINED_MAX / 2)
}

if (import.meta.main) await run()
