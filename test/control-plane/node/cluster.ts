// Real nodes in one process: real stores, real links, bootstrapped by hand.
import { randomInt, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NodeParts } from '../../../control-plane/node/node-parts.ts'

import type { DeadMemberRule } from '../../../control-plane/node/dead-members.ts'
import { Node } from '../../../control-plane/node/node.ts'
import { PeerSwitch } from '../../../control-plane/node/peer-switch.ts'
import type { NodeAddress, WriteRequest } from '../../../control-plane/ports.ts'
import { NodeStore } from '../../../control-plane/storage/node-store.ts'
import type { Disk } from '../../../control-plane/storage/disk.ts'
import { LevelDisk } from '../../../control-plane/storage/level-disk.ts'
import { DEFAULT_RETENTION } from '../../../control-plane/storage/retention.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import { TcpTransport } from '../../../control-plane/transport/tcp-transport.ts'
import { TestRoom } from '../rooms.ts'
import { OWN_RELEASE, type Release } from '../../../shared/features.ts'
import { SILENT } from '../../../shared/logger.ts'

const CLUSTER_ID = 'a'.repeat(32)

/** One node with its disk and links; `stop` closes all three, `start` takes up from the disk. */
export class TestNode {
  readonly dir: string
  readonly name: string
  node: Node
  store: NodeStore
  transport: TcpTransport
  readonly space: TestRoom
  fatal: unknown = null
  /** What nodes that begin from now on do about silent members. */
  static removeDead: DeadMemberRule | null = null

  private constructor(parts: {
    dir: string
    name: string
    node: Node
    store: NodeStore
    space: TestRoom
    transport: TcpTransport
  }) {
    this.dir = parts.dir
    this.name = parts.name
    this.node = parts.node
    this.store = parts.store
    this.transport = parts.transport
    this.space = parts.space
  }

  /** Opens disk and links; the node itself begins with `begin`, once every address is known. */
  static async prepare(
    dir: string,
    folder: string,
    port = 0,
    name = folder,
    { wrap, release = OWN_RELEASE }: Preparation = {},
  ): Promise<Prepared> {
    const store = await openStore(join(dir, folder), { wrap, release })
    let self: NodeAddress = {
      id: store.nodeId,
      name,
      api: `http://127.0.0.1:1/${name}`,
      peer: '',
      release,
    }
    const peers = new PeerSwitch({ onCall: () => Promise.reject(new Error('fresh')) })
    const transport = await TcpTransport.listen({
      host: '127.0.0.1',
      port,
      self: () => ({ ...self, clusterId: store.identity?.clusterId ?? null }),
      handler: peers,
      logger: SILENT,
    })
    self = { ...self, peer: transport.address }
    return { dir, name: folder, self, store, space: new TestRoom(), transport, peers }
  }

  static begin(
    prepared: Prepared,
    hints: readonly NodeAddress[],
    seeds: readonly string[] = [],
    more: Pick<NodeParts, 'levelOfCommand'> = {},
  ): TestNode {
    const { store, transport, self, dir, name } = prepared
    const identity = store.identity
    if (identity === null) throw new Error('bootstrap first')
    const node = new Node({
      identity,
      self,
      hints,
      seeds: () => Promise.resolve(seeds),
      removeDead: TestNode.removeDead,
      store,
      space: prepared.space,
      transport,
      clock: SYSTEM_CLOCK,
      logger: SILENT,
      seed: store.nodeId % 1_000_000,
      makeId: randomUUID,
      tickMs: 10,
      heartbeatMs: 30,
      electionMs: 150,
      ...more,
      onFatal: (error) => {
        one.fatal = error
      },
    })
    const one = new TestNode({ dir, name, node, store, space: prepared.space, transport })
    prepared.peers.deliverTo(node)
    return one
  }

  async stop(transferMs = 500): Promise<void> {
    await this.node.stop(transferMs)
    await this.transport.close()
    await this.store.close()
  }
}

/** The store of a data directory, on its disk as it is or as a test wraps it. */
async function openStore(
  dir: string,
  { wrap = (disk) => disk, release = OWN_RELEASE }: Preparation,
): Promise<NodeStore> {
  const path = join(dir, 'db')
  await mkdir(path, { recursive: true })
  return NodeStore.open(wrap(await LevelDisk.open(path)), {
    logger: SILENT,
    clock: SYSTEM_CLOCK,
    retention: DEFAULT_RETENTION,
    makeNodeId: () => randomInt(1, 2 ** 47),
    release,
  })
}

/** What a node is prepared with beside what it is called: how its disk behaves, and what program it passes for. */
export type Preparation = {
  readonly wrap?: ((disk: Disk) => Disk) | undefined
  readonly release?: Release | undefined
}

export type Prepared = {
  readonly dir: string
  readonly name: string
  readonly self: NodeAddress
  readonly store: NodeStore
  readonly space: TestRoom
  readonly transport: TcpTransport
  readonly peers: PeerSwitch
}

/** `count` founders of one cluster. */
export async function foundCluster(
  count: number,
  wrap?: (disk: Disk, at: number) => Disk,
): Promise<{ dir: string; nodes: TestNode[]; close(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-node-'))
  const prepared = await Promise.all(
    Array.from({ length: count }, (_, at) =>
      TestNode.prepare(dir, `n${at + 1}`, 0, `n${at + 1}`, {
        wrap: wrap && ((disk) => wrap(disk, at)),
      }),
    ),
  )
  const members = prepared.map(({ self }) => self).toSorted((a, b) => a.id - b.id)
  const nodes: TestNode[] = []
  for (const one of prepared) {
    await one.store.bootstrap({
      identity: { clusterId: CLUSTER_ID, nodeId: one.self.id },
      confState: {
        voters: members.map(({ id }) => id),
        learners: [],
        votersOutgoing: [],
        learnersNext: [],
        autoLeave: false,
      },
      members,
    })
    nodes.push(TestNode.begin(one, members))
  }
  return {
    dir,
    nodes,
    async close() {
      await Promise.all(nodes.map((node) => node.stop(0)))
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Waits for a condition; fails after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  probe: () => T | null | undefined | false,
  timeoutMs = 5_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  while (performance.now() < deadline) {
    const value = probe()
    if (value !== null && value !== undefined && value !== false) return value
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`)
}

/** The node that leads and can take writes. */
export function leaderOf(nodes: readonly TestNode[]): Promise<TestNode> {
  return eventually('a leader', () => nodes.find(({ node }) => node.isLeader))
}

/** A write of one Api with one route. */
export function putApi(name: string, more: Partial<WriteRequest> = {}): WriteRequest {
  return {
    key: null,
    author: 'test',
    message: null,
    action: {
      type: 'operations',
      operations: [
        {
          op: 'put',
          definition: {
            kind: 'Api',
            name,
            spec: {
              routes: [{ path: `/${name}` }],
              upstream: { targets: [{ url: 'http://127.0.0.1:9' }] },
            },
          },
          ifRevision: null,
        },
      ],
    },
    ifConfigRevision: null,
    dryRun: false,
    ...more,
  }
}
