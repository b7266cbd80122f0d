import type { Mutant } from './mutant.ts'

const LOOP = 'test/control-plane/node/consensus-loop.test.ts'
const APPLIER = 'test/control-plane/node/applier.test.ts'
const WATCH = 'test/control-plane/api/watch.test.ts'
const VERSIONS = 'test/control-plane/node/versions.test.ts'
const DURABILITY = 'test/control-plane/storage/durability.test.ts'
const STATE = 'test/control-plane/state-machine/state.test.ts'

/** Faults of the driver, the disk, the state machine, watches and gateways. */
export const NODE_MUTANTS: readonly Mutant[] = [
  {
    name: 'driver-answers-before-sync',
    fatal: 'votes and acknowledgements leave before what they promise is on disk',
    file: 'control-plane/node/consensus-loop.ts',
    text: `      await this.#store.persist({ entries, hardState })
`,
    replacement: `      for (const { responses } of batch)
        for (const response of responses) if (response.to !== this.#id) this.#route(response)
      await this.#store.persist({ entries, hardState })
`,
    suites: [LOOP],
  },
  {
    name: 'driver-counts-itself-before-sync',
    fatal: 'a leader commits with an entry that its own disk does not have',
    file: 'control-plane/node/consensus-loop.ts',
    text: `      await this.#store.persist({ entries, hardState })
`,
    replacement: `      for (const { responses } of batch)
        for (const response of responses) {
          if (response.type === 'app-resp' && response.to === this.#id) this.#route(response)
        }
      this.wake()
      await this.#store.persist({ entries, hardState })
`,
    suites: [LOOP],
  },
  {
    name: 'driver-does-not-sync-votes',
    fatal: 'a vote for a term that was entered before is not on disk when it is answered',
    file: 'control-plane/node/consensus-loop.ts',
    text: `this.#newest.vote !== this.#durable.vote`,
    replacement: `this.#newest.vote < 0`,
    suites: [LOOP],
  },
  {
    name: 'log-not-synced',
    fatal: 'acknowledged entries are gone when the power is',
    file: 'control-plane/storage/log-store.ts',
    text: `      sync: true,
      batch: () => {
        const writes = entries.map(putEntry)`,
    replacement: `      sync: false,
      batch: () => {
        const writes = entries.map(putEntry)`,
    suites: [DURABILITY],
  },
  {
    name: 'snapshot-not-synced',
    fatal: 'a node acknowledges a snapshot, loses power, and starts with neither log nor state',
    file: 'control-plane/storage/node-store.ts',
    text: `    assert(meta.index > this.#state.mark.appliedIndex, 'a snapshot never takes the state back')
    await this.#disk.write({
      sync: true,`,
    replacement: `    assert(meta.index > this.#state.mark.appliedIndex, 'a snapshot never takes the state back')
    await this.#disk.write({
      sync: false,`,
    suites: [DURABILITY],
  },
  {
    name: 'replaced-tail-stays-on-disk',
    fatal: 'entries that a new leader replaced are back after a restart',
    file: 'control-plane/storage/log-store.ts',
    text: `for (let index = (last?.index ?? Infinity) + 1; index <= this.memory.lastIndex(); index++) {`,
    replacement: `for (let index = Infinity; index <= this.memory.lastIndex(); index++) {`,
    suites: ['test/control-plane/storage/log.test.ts'],
  },
  {
    name: 'stored-checksum-ignored',
    fatal: 'a flipped bit becomes somebody’s routing table',
    file: 'control-plane/storage/seal.ts',
    text: `return crc32(sealed.subarray(SEAL_BYTES), crc32(name)) === sealed.readUInt32BE(0)`,
    replacement: `return crc32(sealed.subarray(SEAL_BYTES), crc32(name)) >= 0`,
    suites: ['test/control-plane/storage/log.test.ts', 'test/control-plane/storage/state.test.ts'],
  },
  {
    name: 'snapshot-cut-short-accepted',
    fatal: 'a follower adopts half of a state',
    file: 'control-plane/storage/snapshot-stream.ts',
    text: `if (records !== this.#records || crc !== this.#crc) throw damaged('is not whole')`,
    replacement: `if (records < 0) throw damaged(\`is not whole \${crc}\`)`,
    suites: ['test/control-plane/storage/snapshot-stream.test.ts'],
  },
  {
    name: 'entry-after-a-snapshot-skipped',
    fatal: 'a node that took a snapshot misses a write that all others have',
    file: 'control-plane/node/applier.ts',
    text: `  reset(restored: RestoredState): void {
    this.#state = ReplicatedState.restore(restored)
    this.#index = restored.appliedIndex`,
    replacement: `  reset(restored: RestoredState): void {
    this.#state = ReplicatedState.restore(restored)
    this.#index = restored.appliedIndex + 1`,
    suites: [APPLIER],
  },
  {
    name: 'entry-applied-twice',
    fatal: 'after a snapshot a write counts twice on one node, and revisions differ',
    file: 'control-plane/node/applier.ts',
    text: `if (entry.index <= this.#index) continue`,
    replacement: `if (entry.index < 0) continue`,
    suites: [APPLIER],
  },
  {
    name: 'read-before-applied',
    fatal: 'a read that was confirmed is answered from an older state',
    file: 'control-plane/node/node.ts',
    text: `await this.#applied.wait(index, timeoutMs, \`log index \${index}\`)`,
    replacement: `await this.#applied.wait(Math.min(index, 0), timeoutMs, \`log index \${index}\`)`,
    suites: [LOOP],
  },
  {
    name: 'read-joins-a-running-round',
    fatal: 'a read rests on a round that began before it: a stale answer',
    file: 'control-plane/node/reads.ts',
    text: `      this.#next.push(read)
      if (this.#round === null) this.#begin()`,
    replacement: `      if (this.#round !== null) this.#round.reads.push(read)
      else this.#next.push(read)
      if (this.#round === null) this.#begin()`,
    suites: ['test/control-plane/node/reads.test.ts'],
  },
  {
    name: 'refusal-from-an-uncommitted-write',
    fatal:
      'a guard is refused for a write that never happened, or by a leader that no longer leads',
    file: 'control-plane/node/proposals.ts',
    text: `  async #refuse(refusal: RaftwayError): Promise<never> {
    await this.#makeCertain()`,
    replacement: `  async #refuse(refusal: RaftwayError): Promise<never> {
    await Promise.resolve()`,
    suites: ['test/control-plane/node/proposals.test.ts'],
  },
  {
    name: 'answer-before-applied-here',
    fatal: 'a client that reads through the node it wrote to does not see its own write',
    file: 'control-plane/api/carry-out-write.ts',
    text: `if (!options.dryRun && answer.status < 300) await catchUp(api, answer)`,
    replacement: `if (options.dryRun && answer.status < 0) await catchUp(api, answer)`,
    suites: ['test/control-plane/api/forward.test.ts'],
  },
  {
    name: 'idempotency-ignored',
    fatal: 'a retry after a lost connection happens twice',
    file: 'control-plane/state-machine/state.ts',
    text: `if (known !== null) return { result: known, change: null, records: [] }`,
    replacement: `if (known !== null && index < 0) return { result: known, change: null, records: [] }`,
    suites: [STATE],
  },
  {
    name: 'idempotency-forgotten-in-a-restart',
    fatal: 'a retry after a restart happens twice, or on one node and not on another',
    file: 'control-plane/storage/state-records.ts',
    text: `return { ...mark, members, access, idempotency, definitions, ...usage }`,
    replacement: `return { ...mark, members, access, idempotency: [], definitions, ...usage }`,
    suites: ['test/control-plane/storage/state.test.ts'],
  },
  {
    name: 'guard-ignored',
    fatal:
      'two people overwrite each other although both asked for the revision that they had seen',
    file: 'control-plane/state-machine/transaction.ts',
    text: `if (operation.ifRevision === null || operation.ifRevision === current) return null`,
    replacement: `if (operation.ifRevision !== 0 || operation.ifRevision === current) return null`,
    suites: [STATE, 'test/control-plane/state-machine/propose.test.ts'],
  },
  {
    name: 'transaction-half-applied',
    fatal: 'a transaction that is refused leaves its first changes behind',
    file: 'control-plane/state-machine/state.ts',
    text: `if (!transaction.ok) return { result: transaction, change: null, records: [] }`,
    replacement: `if (!transaction.ok) {
      const [first] = command.operations
      if (first?.op === 'delete') this.#definitions.delete(first.kind, first.name)
      return { result: transaction, change: null, records: [] }
    }`,
    suites: [STATE, 'test/control-plane/state-machine/state.property.test.ts'],
  },
  {
    name: 'later-entry-skipped',
    fatal: 'a node of an older release goes on without a write that all others have',
    file: 'control-plane/node/applier.ts',
    text: `if (entry.data.length === 0) return []`,
    replacement: `if (entry.data.length === 0 || entry.data[0] !== 1) return []`,
    suites: [VERSIONS],
  },
  {
    name: 'feature-used-before-everybody-knows-it',
    fatal: 'in the middle of an upgrade every member that is not upgraded yet stops',
    file: 'control-plane/node/proposals.ts',
    text: `if (command !== null) this.#gate().assertAdmitted(command)`,
    replacement: ``,
    suites: [VERSIONS],
  },
  {
    name: 'newcomer-forgotten-until-applied',
    fatal: 'a node that joins meets a command that it cannot read, and stops for good',
    file: 'control-plane/node/membership-changes.ts',
    text: `if (address !== null) this.#newcomer = { request, address }`,
    replacement: ``,
    suites: [VERSIONS],
  },
  {
    name: 'feature-forgotten-until-applied',
    fatal: 'an older node is taken in behind a command that it cannot read, and stops for good',
    file: 'control-plane/node/proposals.ts',
    text: `this.#gate().taken(command)`,
    replacement: ``,
    suites: [VERSIONS],
  },
  {
    name: 'older-node-taken-in',
    fatal: 'a node joins that stops at the first entry it cannot read',
    file: 'control-plane/node/feature-gate.ts',
    text: `if (levelOf(newcomer) >= used) return`,
    replacement: `if (levelOf(newcomer) >= 0) return`,
    suites: ['test/control-plane/node/feature-gate.test.ts', VERSIONS],
  },
  {
    name: 'watch-resumes-one-late',
    fatal: 'a gateway that reconnects misses one change for good',
    file: 'control-plane/api/watcher.ts',
    text: `if (from.type === 'after') this.#at = from.revision`,
    replacement: `if (from.type === 'after') this.#at = from.revision + 1`,
    suites: [WATCH],
  },
  {
    name: 'watch-loses-what-came-with-the-snapshot',
    fatal: 'a change that is applied while a snapshot is sent never reaches that watcher',
    file: 'control-plane/api/watcher.ts',
    text: `      await this.#send(encodeLine({ type: 'snapshot-end', revision, hash }))
      this.#at = revision`,
    replacement: `      await this.#send(encodeLine({ type: 'snapshot-end', revision, hash }))
      this.#at = this.#source.state.revision`,
    suites: [WATCH],
  },
  {
    name: 'bookmark-ahead-of-its-events',
    fatal: 'a watcher that resumes from such a bookmark skips what it had not been given yet',
    file: 'control-plane/api/watch-hub.ts',
    text: `for (const watcher of this.#live) watcher.mark(line)`,
    replacement: `for (const watcher of this.#watchers) watcher.mark(line)`,
    suites: [WATCH],
  },
  {
    name: 'compaction-boundary-off-by-one',
    fatal: 'a watcher at the edge of what is kept gets a stream with a gap',
    file: 'control-plane/api/recent-changes.ts',
    text: `if (revision < this.#floor.revision) return null`,
    replacement: `if (revision < this.#floor.revision - 1) return null`,
    suites: ['test/control-plane/api/recent-changes.test.ts', WATCH],
  },
  {
    name: 'config-hash-ignored',
    fatal: 'a gateway serves a config that is not the cluster’s, and reports it as the cluster’s',
    file: 'gateway/config/mirror.ts',
    text: `if (reached !== line.hash) {`,
    replacement: `if (reached === '') {`,
    suites: ['test/gateway/config/mirror.test.ts'],
  },
  {
    name: 'watchers-not-reset',
    fatal:
      'a node that took a snapshot goes on as if its watchers had seen what the snapshot skipped',
    file: 'control-plane/api/watch-hub.ts',
    text: `for (const watcher of this.#watchers) watcher.reset()`,
    replacement: `for (const watcher of this.#watchers) this.#live.add(watcher)`,
    suites: [WATCH],
  },
]
