import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { SealKeys } from '../shared/definitions/seal.ts'
import { describeError, RaftwayError } from '../shared/errors.ts'
import { OWN_RELEASE } from '../shared/features.ts'
import { API_DRAIN_MS, TRANSFER_MS_MAX } from '../shared/limits.ts'
import type { Logger } from '../shared/logger.ts'
import { Random } from '../shared/random.ts'
import { TOKEN_SECRET_BYTES } from '../shared/token-text.ts'
import { VERSION } from '../shared/version.ts'
import { startApi, type ApiServer } from './api/server.ts'
import { formOrJoin, FormingResponder } from './cluster/forming.ts'
import { expandJoin } from './cluster/join-list.ts'
import { writeMemberCard, type MemberCard } from './cluster/member-card.ts'
import { openOrReplace, type OpenedStore } from './damage.ts'
import { LateNode } from './node/late-node.ts'
import { Node } from './node/node.ts'
import { PeerSwitch } from './node/peer-switch.ts'
import { assertNotRemoved } from './node/removal.ts'
import {
  checkServerOptions,
  isLoopbackOnly,
  needsTokens,
  usesTls,
  type CheckedServerOptions,
  type ServerOptions,
} from './options.ts'
import type { Identity, Lookup, NodeAddress, PeerNote } from './ports.ts'
import type { Security } from './security.ts'
import { beginScrub, showDefinitions } from './scrubbing.ts'
import { DefinitionFiles } from './storage/definition-files.ts'
import { DiskSpace } from './storage/disk-space.ts'
import type { NodeStore } from './storage/node-store.ts'
import type { Scrub } from './storage/scrub.ts'
import { systemLookup } from './system-lookup.ts'
import { SYSTEM_CLOCK } from './system-clock.ts'
import { tcpLinks } from './transport/links.ts'
import { TcpTransport } from './transport/tcp-transport.ts'

export type { ServerOptions } from './options.ts'

/** A running node. */
export type Server = {
  readonly name: string
  /** `http://127.0.0.1:7400`: where the HTTP API listens. */
  readonly apiUrl: string
  /** `127.0.0.1:7401`: where peers reach it. */
  readonly peer: string
  /** Of the cluster authority's certificate, as tokens carry it; null without TLS. */
  readonly fingerprint: string | null
  /** Resolves when the node has found its cluster; rejects when it can't. */
  readonly formed: Promise<void>
  /** Resolves when the node ended by itself, with the reason: the disk failed, or it was removed from its cluster. */
  readonly ended: Promise<unknown>
  /** Looks now for another certificate in the files of `apiCert`, as it does by itself now and then. */
  reload(): Promise<void>
  /** Hands leadership over, finishes what is under way and closes everything. */
  stop(): Promise<void>
}

/** How often the member card is compared with the membership. */
const CARD_CHECK_MS = 1_000

/**
 * Starts a node: the API listens at once, the node looks for its cluster in the background. Throws INVALID_REQUEST
 * with every issue of the options, STORAGE_CORRUPT, or what the operating system says of ports and directories.
 */
export async function startServer(given: ServerOptions): Promise<Server> {
  const checked = checkServerOptions(await withKeptTls(given))
  if (!checked.ok)
    throw new RaftwayError('INVALID_REQUEST', `options: ${checked.issues.join('; ')}`)
  const { options } = checked
  await mkdir(options.dataDir, { recursive: true })
  const space = await DiskSpace.open({
    dir: options.dataDir,
    reserveBytes: options.diskReserveBytes,
    clock: SYSTEM_CLOCK,
    logger: given.logger,
  })
  let store: NodeStore | null = null
  try {
    const { dataDir, healCorrupt: mayHeal } = options
    const opened = await openOrReplace({ dataDir, mayHeal, logger: given.logger })
    store = opened.store
    await assertNotRemoved(store.notes)
    return await new ServerProcess(options, given, { ...opened, space }).start()
  } catch (error) {
    await store?.close()
    await space.close()
    throw error
  }
}

/** A node that has spoken TLS once goes on with it, unless it is told otherwise: it must not turn plain by a lost option. */
async function withKeptTls(given: ServerOptions): Promise<ServerOptions> {
  if ((given.tls ?? null) !== null) return given
  const hasAuthority = await access(join(given.dataDir, 'tls', 'authority.crt')).then(
    () => true,
    () => false,
  )
  return hasAuthority ? { ...given, tls: 'on' } : given
}

class ServerProcess {
  readonly #options: CheckedServerOptions
  readonly #lookup: Lookup
  readonly #logger: Logger
  readonly #announceToken: (token: string) => void
  readonly #sealKeys: SealKeys
  readonly #store: NodeStore
  readonly #space: DiskSpace
  /** Who this node was, if it has lost its data. */
  readonly #lost: MemberCard | null
  readonly #stops: (() => void)[] = []
  readonly #files: DefinitionFiles
  readonly #late: LateNode
  readonly #responder: FormingResponder
  readonly #peers: PeerSwitch
  readonly #aborted = new AbortController()
  readonly #ended = Promise.withResolvers<unknown>()
  #self: NodeAddress
  #node: Node | null = null
  #scrub: Scrub | null = null
  #security: Security | null = null
  #api: ApiServer | null = null
  #transport: TcpTransport | null = null
  #stopping: Promise<void> | null = null

  constructor(
    options: CheckedServerOptions,
    { logger, announceToken = () => {}, sealKeys = [] }: ServerOptions,
    disk: OpenedStore & { readonly space: DiskSpace },
  ) {
    const { store, space, lost } = disk
    this.#lost = lost
    this.#space = space
    this.#options = options
    this.#lookup = systemLookup(options.dnsServer)
    this.#announceToken = announceToken
    this.#sealKeys = sealKeys
    this.#logger = logger
    this.#store = store
    const release = OWN_RELEASE
    this.#self = { id: store.nodeId, name: options.name, api: '', peer: '', release }
    this.#files = new DefinitionFiles(join(options.dataDir, 'definitions'), logger, space)
    this.#late = new LateNode(() => this.#self)
    this.#responder = new FormingResponder({ self: () => this.#self, notes: store.notes, logger })
    this.#peers = new PeerSwitch(this.#responder)
  }

  async start(): Promise<Server> {
    const { api, peer, advertiseApi, advertisePeer } = this.#options
    const security = await this.#openSecurity()
    this.#security = security
    const transport = await TcpTransport.listen({
      ...peer,
      self: () => ({ ...this.#self, clusterId: this.#store.identity?.clusterId ?? null }),
      handler: security?.handling(this.#peers) ?? this.#peers,
      logger: this.#logger,
      ...(security === null
        ? { links: tcpLinks(this.#lookup) }
        : { links: security.links, onEnrol: (call: PeerNote) => security.onEnrol(call) }),
    }).catch((error: unknown) => {
      security?.close()
      throw error
    })
    this.#transport = transport
    this.#self = { ...this.#self, peer: advertisePeer ?? transport.address }
    try {
      const started = await startApi({
        ...api,
        plane: this.#late,
        clock: SYSTEM_CLOCK,
        logger: this.#logger,
        version: VERSION,
        electionMs: this.#options.electionMs,
        sealKeys: this.#sealKeys,
        scrub: () => this.#scrub?.report ?? null,
        access: {
          isOpen: !needsTokens(this.#options),
          isLoopback: isLoopbackOnly(this.#options),
          hasOpenMetrics: this.#options.openMetrics,
        },
        ...(security === null ? {} : { tls: security.apiTls, desk: security.apiDesk }),
      })
      this.#api = started
      this.#self = { ...this.#self, api: advertiseApi ?? started.url }
    } catch (error) {
      await transport.close()
      security?.close()
      throw error
    }
    const formed = this.#form(transport)
    // Whoever does not wait for `formed` hears of a failure through `ended`.
    formed.catch((error: unknown) => this.#ended.resolve(error))
    return {
      name: this.#self.name,
      apiUrl: this.#api.url,
      peer: this.#self.peer,
      fingerprint: security?.credentials.fingerprint ?? null,
      formed,
      ended: this.#ended.promise,
      reload: async () => this.#security?.reload(),
      stop: () => (this.#stopping ??= this.#stop()),
    }
  }

  async #form(transport: TcpTransport): Promise<void> {
    const hints = await this.#findCluster(transport)
    const identity = this.#store.identity
    if (identity === null) throw new RaftwayError('INTERNAL', 'a formed node has an identity')
    const node = new Node({
      identity,
      self: this.#self,
      hints,
      seeds: async () => {
        const { peers } = await expandJoin(this.#options.join, this.#lookup)
        return [...peers.values()].flat()
      },
      removeDead:
        this.#options.removeDeadAfterMs === null
          ? null
          : {
              afterMs: this.#options.removeDeadAfterMs,
              votersMin: this.#options.removeDeadMin,
            },
      store: this.#store,
      space: this.#space,
      transport,
      clock: SYSTEM_CLOCK,
      logger: this.#logger,
      seed: randomInt(2 ** 32),
      makeId: randomUUID,
      tickMs: this.#options.tickMs,
      heartbeatMs: this.#options.heartbeatMs,
      electionMs: this.#options.electionMs,
      bootstrap: {
        newSecret: () => randomBytes(TOKEN_SECRET_BYTES).toString('base64url'),
        fingerprint: () => this.#security?.credentials.fingerprint ?? '',
        announce: this.#announceToken,
      },
      onFatal: (error) => this.#ended.resolve(error),
    })
    this.#node = node
    const repairFiles = showDefinitions(this.#files, node)
    this.#peers.deliverTo(node)
    this.#late.arrive(node)
    this.#keepCard(node, identity, hints)
    await this.#security?.onFormed(identity, (...call) => transport.call(...call))
    if (this.#aborted.signal.aborted) return
    this.#scrub = beginScrub({
      options: this.#options,
      store: this.#store,
      plane: node,
      logger: this.#logger,
      repairFiles,
      onFatal: (error) => this.#ended.resolve(error),
    })
  }

  /**
   * Keeps, beside the database, what the node needs to find its cluster if the database is damaged. A node that has
   * just joined has no state yet: until it has, it goes by whom it heard of while joining.
   */
  #keepCard(node: Node, identity: Identity, hints: readonly NodeAddress[]): void {
    let written = ''
    let writing = Promise.resolve()
    const keep = (): void => {
      const known: readonly NodeAddress[] = node.status().members
      const listed = known.length > 0 ? known : hints
      const members = listed.map(({ id, name, api, peer }) => ({ id, name, api, peer }))
      const card = { ...identity, name: this.#self.name, members }
      const text = JSON.stringify(card)
      if (text === written || members.length === 0) return
      written = text
      writing = writing
        .then(() => writeMemberCard(this.#options.dataDir, card))
        .catch((error: unknown) => {
          written = ''
          this.#logger.warn({ reason: describeError(error) }, 'the member card was not written')
        })
    }
    keep()
    this.#stops.push(SYSTEM_CLOCK.every(CARD_CHECK_MS, keep))
  }

  /** Loaded for nodes with TLS only: what writes certificates takes 20 MB. */
  async #openSecurity(): Promise<Security | null> {
    if (!usesTls(this.#options)) return null
    const { Security: Opened } = await import('./security.ts')
    return Opened.open({
      options: this.#options,
      plane: this.#late,
      self: this.#self,
      identity: this.#store.identity,
      clock: SYSTEM_CLOCK,
      logger: this.#logger,
      sealKeys: this.#sealKeys,
      lookup: this.#lookup,
    })
  }

  /** Forms or joins a cluster unless the disk says which one this node belongs to. Gives the members known so far. */
  async #findCluster(transport: TcpTransport): Promise<readonly NodeAddress[]> {
    if (this.#store.identity !== null) return []
    const lost = this.#lost
    if (lost !== null) await this.#responder.beginJoin(lost.clusterId)
    const known = lost?.members.map(({ peer }) => peer) ?? []
    const formation = await formOrJoin({
      responder: this.#responder,
      join: [...known, ...this.#options.join],
      lookup: this.#lookup,
      expect: lost === null ? this.#options.expect : null,
      ...(lost === null ? {} : { replaces: lost.nodeId }),
      call: (peer, note, timeoutMs) => transport.call(peer, note, timeoutMs),
      clock: SYSTEM_CLOCK,
      random: new Random(randomInt(2 ** 32)),
      logger: this.#logger,
      signal: this.#aborted.signal,
    })
    if (formation.type === 'joined') {
      await this.#store.saveIdentity(formation.identity)
      return formation.members
    }
    const voters = formation.founders.map(({ id }) => id)
    await this.#store.bootstrap({
      identity: formation.identity,
      confState: { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
      members: formation.founders,
    })
    return formation.founders
  }

  async #stop(): Promise<void> {
    this.#aborted.abort()
    for (const stop of this.#stops) stop()
    // Callers are served while leadership is handed over, and what they asked for is answered before the node goes.
    this.#api?.drain()
    await Promise.all([this.#node?.handOver(TRANSFER_MS_MAX), pause(API_DRAIN_MS)])
    await this.#api?.close()
    await this.#scrub?.stop()
    await this.#node?.stop(TRANSFER_MS_MAX)
    await this.#transport?.close()
    this.#security?.close()
    await this.#files.close()
    await this.#store.close()
    await this.#space.close()
  }
}
