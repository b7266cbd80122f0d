import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Room, ScrubReport } from '../ports.ts'

/** What `/metrics` reads at the moment of a scrape. */
export type MetricsSource = {
  readonly version: string
  readonly term: number
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly isLeader: boolean
  readonly hasLeader: boolean
  readonly isReady: boolean
  readonly revision: number
  readonly definitions: number
  readonly watchers: number
  readonly watcherBytesQueued: number
  readonly gatewaysConnected: number
  readonly gatewaysBehind: number
  readonly rolloutsWaiting: number
  readonly deadMembersRemoved: number
  readonly scrub: ScrubReport
  readonly members: readonly {
    readonly name: string
    readonly healthy: boolean
    readonly disk: Room | null
    readonly sameConfig: boolean | null
    readonly lastHeardMs: number | null
  }[]
}

/** The metrics of one node: counted as calls end, and read from the node when they are asked for. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #seconds: Histogram<'call' | 'status'>
  readonly #watchersCutOff: Counter
  readonly #forwarded: Counter<'outcome'>
  /** Bound children by call and status, so that a call does not build label objects. */
  readonly #children = new Map<string, { observe(seconds: number): void }>()

  constructor(read: () => MetricsSource) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#seconds = new Histogram({
      name: 'raftway_api_request_seconds',
      help: 'Duration of API calls, by call and status.',
      labelNames: ['call', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    })
    this.#watchersCutOff = new Counter({
      name: 'raftway_watchers_cut_off_total',
      help: 'Watchers that were cut off because they did not keep up.',
      registers,
    })
    this.#forwarded = new Counter({
      name: 'raftway_api_forwarded_total',
      help: 'Attempts to forward a call to the leader, by outcome.',
      labelNames: ['outcome'],
      registers,
    })
    for (const [name, [help, value]] of Object.entries(GAUGES)) {
      const gauge = new Gauge({
        name: `raftway_${name}`,
        help,
        registers,
        collect() {
          gauge.set(Number(value(read())))
        },
      })
    }
    addLabelledGauges(registers, read)
  }

  /** One call ended. `call` is its method and path template, so that there are few. */
  observe(call: string, status: number, ms: number): void {
    const key = `${call} ${status}`
    let child = this.#children.get(key)
    if (child === undefined) {
      child = this.#seconds.labels(call, String(status))
      this.#children.set(key, child)
    }
    child.observe(ms / 1_000)
  }

  onWatcherCutOff(): void {
    this.#watchersCutOff.inc()
  }

  onForwarded(outcome: 'answered' | 'refused' | 'broken'): void {
    this.#forwarded.inc({ outcome })
  }

  /** Prometheus text and its content type. */
  async text(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  close(): void {
    this.#registry.clear()
  }
}

const GAUGES: Readonly<
  Record<string, readonly [string, (source: MetricsSource) => number | boolean]>
> = {
  raft_term: ['Current term.', (source) => source.term],
  raft_commit_index: ['Highest index known to be committed.', (source) => source.commitIndex],
  raft_applied_index: ['Highest index applied.', (source) => source.appliedIndex],
  raft_is_leader: ['1 on the leader.', (source) => source.isLeader],
  raft_has_leader: ['1 while a leader is known.', (source) => source.hasLeader],
  ready: ['1 while the node is ready.', (source) => source.isReady],
  revision: ['Revision of the applied config.', (source) => source.revision],
  definitions: ['Definitions in the applied config.', (source) => source.definitions],
  watchers: ['Open watches.', (source) => source.watchers],
  watcher_queue_bytes: ['Bytes waiting for watchers.', (source) => source.watcherBytesQueued],
  gateways_connected: ['Connected gateways of the cluster.', (source) => source.gatewaysConnected],
  gateways_behind: ['Connected gateways behind this node.', (source) => source.gatewaysBehind],
  rollouts_waiting: ['Writes that wait for gateways.', (source) => source.rolloutsWaiting],
  members: ['Members of the cluster.', (source) => source.members.length],
  members_full: [
    'Members whose disk is below its reserve.',
    ({ members }) => members.filter(({ disk }) => disk === 'low' || disk === 'none').length,
  ],
  members_differ: [
    'Members that have another config than this node at the same revision.',
    ({ members }) => members.filter(({ sameConfig }) => sameConfig === false).length,
  ],
  dead_members_removed: [
    'Members that this node took out by itself, for their silence, since it started.',
    (source) => source.deadMembersRemoved,
  ],
  scrub_bytes: [
    'Bytes at rest that were read to find damage, since the start.',
    ({ scrub }) => scrub.bytes,
  ],
  scrub_passes: ['Times that everything at rest was read.', ({ scrub }) => scrub.passes],
  scrub_damages: ['Times that damage at rest was found.', ({ scrub }) => scrub.damages],
  scrub_damaged: [
    '1 while something at rest is damaged and not healed.',
    ({ scrub }) => scrub.isDamaged,
  ],
}

function addLabelledGauges(registers: Registry[], read: () => MetricsSource): void {
  const healthy = new Gauge({
    name: 'raftway_member_healthy',
    help: '1 for a member that this node hears.',
    labelNames: ['member'],
    registers,
    collect() {
      healthy.reset()
      for (const member of read().members) {
        healthy.set({ member: member.name }, Number(member.healthy))
      }
    },
  })
  const silent = new Gauge({
    name: 'raftway_member_silent_seconds',
    help: 'Time since this node last heard from a member; absent for itself and for one never heard.',
    labelNames: ['member'],
    registers,
    collect() {
      silent.reset()
      for (const { name, lastHeardMs } of read().members) {
        if (lastHeardMs !== null) silent.set({ member: name }, lastHeardMs / 1_000)
      }
    },
  })
  const build = new Gauge({
    name: 'raftway_build_info',
    help: 'Always 1; the version is a label.',
    labelNames: ['version'],
    registers,
    collect() {
      build.set({ version: read().version }, 1)
    },
  })
}
