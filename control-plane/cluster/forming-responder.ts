import { z } from 'zod'
import { RaftwayError } from '../../shared/errors.ts'
import { FORM_CONTACTS_MAX } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { NodeAddress, NodeId, PeerIdentity, PeerNote } from '../ports.ts'
import { mayFound, type JoinList } from './founders.ts'
import {
  boundTo,
  identitySchema,
  memberOf,
  nodeAddressSchema,
  proposalSchema,
  standingSchema,
  type Promised,
  type Proposal,
  type Standing,
} from './standing.ts'

/** Small values that outlive the process; `put` resolves when the value is durable. */
export type Notes = {
  get(key: string): Promise<unknown>
  put(key: string, value: unknown): Promise<void>
}

/** What a node without a cluster has seen around it, kept up to date by `formOrJoin`. */
export type View = {
  readonly expect: number | null
  readonly list: JoinList
  readonly sees: readonly NodeId[]
  /** A node that belongs to a cluster answered lately: there is no need for another one. */
  readonly hasCluster: boolean
}

/** What a node without a cluster answers to hello. */
export const helloAnswerSchema = z.object({
  /** The cluster that it has just founded or joined, or null. */
  clusterId: z.string().nullable(),
  /** The cluster or proposal that it is bound to, or null. */
  bound: z.string().nullable(),
  expect: z.int().nullable(),
  sees: z.array(z.int()).max(10 * FORM_CONTACTS_MAX),
  lists: z.array(z.int()).max(10 * FORM_CONTACTS_MAX),
  /** Peer addresses of nodes that it knows of. */
  contacts: z.array(z.string().max(300)).max(10 * FORM_CONTACTS_MAX),
})

const inviteSchema = z.object({ identity: identitySchema, members: z.array(nodeAddressSchema) })

/** A cluster's word that a node is its member. */
export type Invite = z.infer<typeof inviteSchema>

const commitSchema = z.object({ clusterId: z.string() })

const KEY = 'forming'
const NOTHING_SEEN: View = { expect: null, list: new Map(), sees: [], hasCluster: false }

/**
 * The conscience of a node without a cluster: holds its standing, changes it one decision at a time, and writes every
 * change down before anyone can hear of it. Answers `hello`, `form-propose`, `form-commit` and `invite` of other nodes;
 * everything else is NOT_FORMED.
 */
export class FormingResponder {
  readonly #self: () => NodeAddress
  readonly #notes: Notes
  readonly #logger: Logger
  #standing: Standing | null = null
  /** Decisions wait for each other: two proposals must not both find the node free. */
  #turn: Promise<unknown> = Promise.resolve()
  #failure: RaftwayError | null = null
  #view = NOTHING_SEEN
  /** Peer addresses of nodes that called: they may be what this node is looking for. Oldest first. */
  readonly #callers = new Set<string>()
  #onNews: () => void = () => {}

  /** `self().id` must be the same for as long as the notes are. */
  constructor(options: {
    readonly self: () => NodeAddress
    readonly notes: Notes
    readonly logger: Logger
  }) {
    this.#self = options.self
    this.#notes = options.notes
    this.#logger = options.logger
  }

  get self(): NodeAddress {
    return this.#self()
  }

  get callers(): readonly string[] {
    return [...this.#callers]
  }

  /** Forgets a caller that does not answer any more. */
  forget(peer: string): void {
    this.#callers.delete(peer)
  }

  /** Where the node stands now. STORAGE_CORRUPT when the note cannot be read. */
  standing(): Promise<Standing> {
    return this.#decide((standing) => standing)
  }

  look(view: View): void {
    this.#view = view
  }

  /** Calls once for the next change of standing or new caller. */
  onNews(hear: () => void): void {
    this.#onNews = hear
  }

  /** Binds the node to its own proposal. Gives the standing after it, which is another one if it was not free. */
  propose(proposal: Proposal): Promise<Standing> {
    return this.#decide((standing) =>
      standing.type === 'fresh'
        ? { type: 'promised', ...proposal, proposer: this.self.id }
        : standing,
    )
  }

  /** Lets go of a promise; nothing happens if it is no longer the node's. */
  release(promise: Promised): Promise<Standing> {
    return this.#decide((standing) => (standing === promise ? { type: 'fresh' } : standing))
  }

  /** The promise has become a cluster. */
  found(promise: Promised): Promise<Standing> {
    return this.#decide((standing) => (standing === promise ? founded(promise) : standing))
  }

  /** Becomes a cluster of one. */
  foundAlone(clusterId: string): Promise<Standing> {
    return this.#decide((standing) =>
      standing.type === 'fresh' ? { type: 'founded', clusterId, founders: [this.self] } : standing,
    )
  }

  /** Binds the node to a cluster that it is going to ask to be taken in. */
  beginJoin(clusterId: string): Promise<Standing> {
    return this.#decide((standing) =>
      standing.type === 'fresh' ? { type: 'joining', clusterId } : standing,
    )
  }

  /** The cluster has taken the node in. */
  finishJoin({ identity, members }: Invite): Promise<Standing> {
    return this.#decide((standing) =>
      standing.type === 'joining' && standing.clusterId === identity.clusterId
        ? { type: 'joined', identity, members }
        : standing,
    )
  }

  async onCall(from: PeerIdentity, call: PeerNote): Promise<unknown> {
    switch (call.type) {
      case 'hello':
        return this.#onHello(from)
      case 'form-propose':
        return this.#onPropose(from, parse(proposalSchema, call.body, call.type))
      case 'form-commit':
        return this.#onCommit(parse(commitSchema, call.body, call.type).clusterId)
      case 'invite':
        return this.#onInvite(from, parseInvite(call.body))
      default:
        throw new RaftwayError('NOT_FORMED', `${this.self.name} belongs to no cluster yet`)
    }
  }

  async #onHello(from: PeerIdentity): Promise<z.infer<typeof helloAnswerSchema>> {
    const standing = await this.standing()
    const { expect, list, sees } = this.#view
    if (from.id !== this.self.id && from.clusterId === null) this.#remember(from.peer)
    return {
      clusterId: memberOf(standing),
      bound: boundTo(standing),
      expect,
      sees: [...sees],
      lists: [...list.values()].filter((id) => id !== null),
      contacts: this.callers.filter((peer) => peer !== from.peer),
    }
  }

  async #onPropose(from: PeerIdentity, proposal: Proposal): Promise<null> {
    await this.#decide((standing) => {
      const isRepeat =
        standing.type === 'promised' &&
        standing.clusterId === proposal.clusterId &&
        standing.proposer === from.id
      if (isRepeat) return standing
      const objection = this.#objection(standing, from, proposal)
      if (objection !== null) throw new RaftwayError('MEMBERSHIP_REFUSED', objection)
      return { type: 'promised', ...proposal, proposer: from.id }
    })
    const { clusterId } = proposal
    this.#logger.info({ clusterId, proposer: from.name }, 'agreed to found a cluster')
    return null
  }

  #objection(standing: Standing, from: PeerIdentity, { founders }: Proposal): string | null {
    const { id, name } = this.self
    const { expect, list, hasCluster } = this.#view
    const ids = founders.map((founder) => founder.id)
    if (standing.type !== 'fresh') return `${name} is bound to cluster ${boundTo(standing)}`
    if (hasCluster) return `${name} sees a cluster that it can join`
    if (expect !== ids.length) return `${name} expects ${expect ?? 'no'} founders`
    if (ids[0] !== from.id || !ids.includes(id)) return `${name} is not among the founders`
    if (ids.some((one, at) => at > 0 && one <= (ids[at - 1] ?? 0)))
      return 'founders are not in order'
    return mayFound(founders, list, id) ? null : `${name} sees too few founders in its join list`
  }

  async #onCommit(clusterId: string): Promise<null> {
    const standing = await this.#decide((now) =>
      now.type === 'promised' && now.clusterId === clusterId ? founded(now) : now,
    )
    if (memberOf(standing) === clusterId) return null
    throw new RaftwayError(
      'MEMBERSHIP_REFUSED',
      `${this.self.name} has not agreed to found cluster ${clusterId}`,
    )
  }

  async #onInvite(from: PeerIdentity, invite: Invite): Promise<null> {
    const { identity, members } = invite
    const standing = await this.#decide((now) => {
      if (identity.nodeId !== this.self.id || memberOf(now) !== null) return now
      const isFree = boundTo(now) === null || boundTo(now) === identity.clusterId
      return isFree && now.type !== 'promised' ? { type: 'joined', identity, members } : now
    })
    if (memberOf(standing) === identity.clusterId && identity.nodeId === this.self.id) {
      this.#logger.info(
        { clusterId: identity.clusterId, by: from.name },
        'was invited into a cluster',
      )
      return null
    }
    throw new RaftwayError(
      'MEMBERSHIP_REFUSED',
      `${this.self.name} (${this.self.id}) is bound to ${boundTo(standing) ?? 'nothing'} and cannot be invited`,
    )
  }

  #remember(peer: string): void {
    if (this.#callers.has(peer)) return
    this.#callers.add(peer)
    const [oldest] = this.#callers
    if (this.#callers.size > FORM_CONTACTS_MAX && oldest !== undefined) this.#callers.delete(oldest)
    this.#onNews()
  }

  /** Takes one decision on the standing as it is when its turn comes; resolves with the one after it, durable. */
  #decide(step: (standing: Standing) => Standing): Promise<Standing> {
    const decision = this.#turn.then(() => this.#take(step))
    // Whoever asked hears of a refusal; the next decision does not depend on it.
    this.#turn = decision.catch(() => {})
    return decision
  }

  async #take(step: (standing: Standing) => Standing): Promise<Standing> {
    // After a failed write nobody knows what the disk says, until the process starts anew.
    if (this.#failure !== null) throw this.#failure
    const standing = this.#standing ?? (await this.#read())
    this.#standing = standing
    const next = step(standing)
    if (next === standing) return standing
    try {
      await this.#notes.put(KEY, next)
    } catch (cause) {
      this.#failure = new RaftwayError('INTERNAL', 'a note about forming was not written', {
        cause,
      })
      throw this.#failure
    }
    this.#standing = next
    this.#onNews()
    return next
  }

  async #read(): Promise<Standing> {
    const note = (await this.#notes.get(KEY)) ?? { type: 'fresh' }
    const parsed = standingSchema.safeParse(note)
    if (parsed.success) return parsed.data
    throw new RaftwayError('STORAGE_CORRUPT', 'the note about forming a cluster is damaged', {
      cause: parsed.error,
    })
  }
}

function founded({ clusterId, founders }: Promised): Standing {
  return { type: 'founded', clusterId, founders }
}

/** The answer to `join`, or the body of `invite`; INVALID_REQUEST. */
export function parseInvite(body: unknown): Invite {
  return parse(inviteSchema, body, 'join or invite')
}

function parse<T>(schema: z.ZodType<T>, body: unknown, call: string): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new RaftwayError('INVALID_REQUEST', `the body of ${call} is not as agreed`, {
    cause: parsed.error,
  })
}
