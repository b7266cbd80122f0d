import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { describeError, isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import {
  FORM_CALL_MS_MAX,
  FORM_JOIN_MS_MAX,
  FORM_LOG_MS,
  FORM_POLL_MS,
  FORM_PROPOSAL_MS_MAX,
  FORM_RETRY_MS_MAX,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Random } from '../../shared/random.ts'
import type { Clock } from '../clock.ts'
import type { Lookup, NodeAddress, NodeId, Transport } from '../ports.ts'
import { parseInvite, type FormingResponder, type Invite } from './forming-responder.ts'
import { chooseFounders, listSize } from './founders.ts'
import { expandJoin } from './join-list.ts'
import {
  boundTo,
  formationOf,
  memberOf,
  type Formation,
  type Promised,
  type Standing,
} from './standing.ts'
import { Survey, type Round, type Sighting } from './survey.ts'

export { FormingResponder } from './forming-responder.ts'

export type FormingOptions = {
  /** Answers for this node meanwhile, and knows how far it has come. */
  readonly responder: FormingResponder
  /** Peer addresses, this node's own allowed. */
  readonly join: readonly string[]
  /** Looks the entries of the join list up, at every round; null if each is an address already. */
  readonly lookup: Lookup | null
  /** The member of that cluster that this node was before it lost its data, and whose place it asks for. */
  readonly replaces?: NodeId
  /** How many nodes found a cluster; null for joining only, or alone without a join list. */
  readonly expect: number | null
  readonly call: Transport['call']
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly signal: AbortSignal
}

/**
 * Finds the cluster of a node without data: founds one with others, joins one, or, without a join list, becomes one.
 * Keeps trying until it has found it; rejects with STOPPING when aborted, and when the notes cannot be written.
 * What it resolves with is durable: after a crash it resolves with the same again.
 *
 * Forming is a commitment in two phases. The proposer, the lowest id of N free nodes that see each other, binds itself
 * to a proposal and asks the others to; once all N are bound it founds the cluster, and only then do others follow, on
 * its word or because they meet a node of that cluster.
 *
 * No node is in two clusters: it is bound to one at a time, on disk before anyone hears of it, and bound for good once it
 * has founded, joined, or asked to be taken in.
 *
 * No two clusters come of one join list: founders are more than half of it, so any two sets share a node (`mayFound`),
 * which is bound to one of them at a time. It is let go only when the other can never be: a cluster exists from the
 * moment its proposer founds it, the proposer never founds a proposal that it has let go of, and whoever is bound to one
 * learns of that from the proposer itself, by a question that was put after it was bound. Lost, late and repeated messages
 * change nothing: an agreement counts only for the attempt that asked for it, and a late proposal binds a node at most
 * until it asks the proposer again.
 *
 * The price is that of every such commitment: while the proposer of an unfinished proposal is gone, those who are
 * bound to it wait for it. If its disk is lost, another node answers in its place, and the others, seeing that
 * none of the founders has founded anything, let go.
 */
export async function formOrJoin(options: FormingOptions): Promise<Formation> {
  const { responder, join, expect, signal, random } = options
  if (join.length === 0 && (expect ?? 1) === 1) await responder.foundAlone(newClusterId())
  const search = new Search(options)
  for (;;) {
    if (signal.aborted) throw new RaftwayError('STOPPING', 'this node is stopping')
    const standing = await responder.standing()
    const formation = formationOf(standing, responder.self.id)
    if (formation !== null) return formation
    await search.step(standing)
    await search.pause(FORM_POLL_MS / 2 + random.below(FORM_POLL_MS))
  }
}

const referralSchema = z.object({ leader: z.string() })

class Search {
  readonly #options: FormingOptions
  readonly #survey: Survey
  #loggedMs = -Infinity
  /** When the proposal that this node drives was first sent, in this process. */
  #proposedMs: number | null = null
  /** Not before this time is anything proposed, or asked again. */
  #restUntilMs = 0
  #joinFailures = 0

  constructor(options: FormingOptions) {
    const { responder, join, lookup, call } = options
    this.#options = options
    this.#survey = new Survey({ responder, join, call, expand: () => expandJoin(join, lookup) })
    this.#look([], false)
  }

  /** Looks around once, and does what follows from it. */
  async step(standing: Standing): Promise<void> {
    const { responder } = this.#options
    const further = standing.type === 'promised' ? standing.founders.map(({ peer }) => peer) : []
    const round = await this.#survey.ask(further)
    this.#look(
      round.sightings,
      round.sightings.some(({ clusterId }) => clusterId !== null),
    )
    // What was seen is held against the standing that held before the first question.
    if (standing.type === 'promised') await this.#settle(standing, round)
    else if (standing.type === 'joining') await this.#join(standing.clusterId, round)
    else if ((await responder.standing()) === standing) await this.#begin(round)
  }

  /** Waits, but not longer than until there is news, or the end. */
  pause(ms: number): Promise<void> {
    const { clock, responder, signal } = this.#options
    return new Promise((resolve) => {
      const over = (): void => {
        cancel()
        signal.removeEventListener('abort', over)
        responder.onNews(() => {})
        resolve()
      }
      const cancel = clock.after(ms, over)
      signal.addEventListener('abort', over)
      responder.onNews(over)
    })
  }

  #look(sightings: readonly Sighting[], hasCluster: boolean): void {
    const { responder, expect } = this.#options
    const sees = sightings.filter(({ fresh }) => fresh !== null).map(({ id }) => id)
    responder.look({ expect, list: this.#survey.list, sees, hasCluster })
  }

  /** A free node: joins the cluster that it sees, or proposes one, or waits. */
  async #begin(round: Round): Promise<void> {
    const { responder, expect, logger } = this.#options
    const clusters = new Set(round.sightings.map(({ clusterId }) => clusterId))
    clusters.delete(null)
    const [clusterId] = clusters
    if (clusters.size > 1) {
      return this.#log(
        'error',
        { clusters: [...clusters] },
        'sees more than one cluster: will not choose',
      )
    }
    if (typeof clusterId === 'string') {
      await responder.beginJoin(clusterId)
      return
    }
    if (expect === null) return this.#logAlone(round)
    const { self } = responder
    const fresh = round.sightings.flatMap((sighting) => sighting.fresh ?? [])
    const choice = chooseFounders({ self, expect, list: this.#survey.list, fresh })
    if (!choice.ok) {
      const silent = Object.fromEntries(round.silent)
      return this.#log('info', { silent }, `forming: ${choice.missing}`)
    }
    if (this.#isResting()) return
    this.#proposedMs = null
    const { founders } = choice
    const proposal = { clusterId: newClusterId(), founders: [...founders] }
    const standing = await responder.propose(proposal)
    // Another proposal may have been quicker: it is another node's to drive.
    if (boundTo(standing) !== proposal.clusterId || standing.type !== 'promised') return
    const names = founders.map(({ name }) => name)
    logger.info({ founders: names, listed: listSize(this.#survey.list) }, 'proposes a cluster')
    await this.#drive(standing)
  }

  /** A node bound to a proposal: finds out what became of it. */
  async #settle(promise: Promised, round: Round): Promise<void> {
    const { responder, logger } = this.#options
    const { clusterId, proposer, founders } = promise
    if (round.sightings.some((sighting) => sighting.clusterId === clusterId)) {
      await responder.found(promise)
    } else if (proposer === responder.self.id) {
      await this.#drive(promise)
    } else if (isGivenUp(promise, round, responder.self)) {
      logger.info({ clusterId }, 'the proposed cluster was given up: free again')
      await responder.release(promise)
    } else {
      const { name, peer } = founders.find(({ id }) => id === proposer) ?? responder.self
      this.#log('warn', { clusterId, proposer: name, peer }, 'waits for the proposer of a cluster')
    }
  }

  /** The proposer: asks every founder, and founds the cluster once all have agreed. */
  async #drive(promise: Promised): Promise<void> {
    const { responder, clock, logger, random } = this.#options
    this.#proposedMs ??= clock.monotonic()
    const { clusterId, founders } = promise
    const others = founders.filter(({ id }) => id !== responder.self.id)
    const answers = await Promise.all(others.map((founder) => this.#ask(founder, promise)))
    if (answers.every((answer) => answer === 'agreed')) {
      if (memberOf(await responder.found(promise)) !== clusterId) return
      logger.info({ clusterId, founders: founders.map(({ name }) => name) }, 'founded a cluster')
      await Promise.all(others.map((founder) => this.#tell(founder, clusterId)))
      return
    }
    const isLate = clock.monotonic() - this.#proposedMs > FORM_PROPOSAL_MS_MAX
    if (!isLate && !answers.includes('refused')) return
    logger.info({ clusterId, isLate }, 'gives its proposal up')
    await responder.release(promise)
    // Two proposers that stand in each other's way must not try again in step.
    this.#rest(random.below(20 * FORM_POLL_MS))
  }

  async #ask(
    founder: NodeAddress,
    { clusterId, founders }: Promised,
  ): Promise<'agreed' | 'refused' | 'unknown'> {
    const { call, logger } = this.#options
    try {
      const note = { type: 'form-propose', body: { clusterId, founders } }
      const { from } = await call(founder.peer, note, FORM_CALL_MS_MAX)
      if (from.id === founder.id) return 'agreed'
      logger.warn(
        { founder: founder.name, answers: from.name },
        'another node answers for a founder',
      )
      return 'refused'
    } catch (error) {
      if (isRaftwayError(error, 'PEER_UNREACHABLE', 'TIMEOUT', 'STOPPING')) return 'unknown'
      logger.info({ founder: founder.name, err: error }, 'a founder does not agree')
      return 'refused'
    }
  }

  /** Best effort: whoever does not hear it meets a node of the cluster later. */
  async #tell(founder: NodeAddress, clusterId: string): Promise<void> {
    const { call, logger } = this.#options
    const note = { type: 'form-commit', body: { clusterId } }
    await call(founder.peer, note, FORM_CALL_MS_MAX).catch((error: unknown) => {
      logger.warn(
        { founder: founder.name, err: error },
        'a founder did not hear of its cluster yet',
      )
    })
  }

  async #join(clusterId: string, round: Round): Promise<void> {
    const { responder, random, logger } = this.#options
    const members = round.sightings.filter((sighting) => sighting.clusterId === clusterId)
    const member = members[random.below(Math.max(1, members.length))]
    if (member === undefined) {
      return this.#log(
        'warn',
        { clusterId },
        'no node of the cluster that this node is joining answers',
      )
    }
    if (this.#isResting()) return
    const invite = await this.#askToJoin(member).catch((error: unknown) => {
      this.#onRefused(member, clusterId, error)
    })
    if (invite === undefined) return
    await responder.finishJoin(invite)
    logger.info({ clusterId, by: member.name }, 'joined a cluster')
  }

  #onRefused(by: Sighting, clusterId: string, error: unknown): void {
    const { random, logger } = this.#options
    const isTooOld = isRaftwayError(error, 'VERSION_TOO_OLD')
    const isOurs = isTooOld || isRaftwayError(error, 'MEMBER_EXISTS', 'MEMBERSHIP_REFUSED')
    const hint =
      isOurs && !isTooOld
        ? ': start this node under another name or peer address, or remove that member'
        : ''
    logger[isOurs ? 'error' : 'info'](
      { clusterId, by: by.name, err: error },
      `was not taken in: ${describeError(error)}${hint}`,
    )
    const backOffMs = Math.min(FORM_POLL_MS * 2 ** this.#joinFailures++, FORM_RETRY_MS_MAX)
    this.#rest(backOffMs / 2 + random.below(backOffMs))
  }

  /** A node that does not lead may answer with `{ leader }`, its peer address, instead of asking for us. */
  async #askToJoin(member: Sighting): Promise<Invite> {
    const { call, responder, replaces } = this.#options
    const note = { type: 'join', body: { ...responder.self, replaces } }
    const { body } = await call(member.asked, note, FORM_JOIN_MS_MAX)
    const referral = referralSchema.safeParse(body)
    if (!referral.success) return parseInvite(body)
    return parseInvite((await call(referral.data.leader, note, FORM_JOIN_MS_MAX)).body)
  }

  #isResting(): boolean {
    return this.#options.clock.monotonic() < this.#restUntilMs
  }

  #rest(ms: number): void {
    this.#restUntilMs = this.#options.clock.monotonic() + ms
  }

  #logAlone(round: Round): void {
    if (this.#survey.isAlone) {
      const text =
        'the join list names only this node: it waits for ever; name other nodes, or leave --join out'
      return this.#log('error', {}, text)
    }
    this.#log(
      'info',
      { silent: Object.fromEntries(round.silent) },
      'no cluster to join answers yet',
    )
  }

  /** The same is worth saying every FORM_LOG_MS, not every round. */
  #log(level: 'info' | 'warn' | 'error', fields: object, text: string): void {
    const nowMs = this.#options.clock.monotonic()
    if (nowMs - this.#loggedMs < FORM_LOG_MS) return
    this.#loggedMs = nowMs
    this.#options.logger[level](fields, text)
  }
}

/** Whether what was seen in `round`, all of it after the promise, proves that the promised cluster can never be. */
function isGivenUp(promise: Promised, round: Round, self: NodeAddress): boolean {
  const { clusterId, founders } = promise
  const seen = new Map(round.sightings.map((sighting) => [sighting.id, sighting]))
  const proposer = seen.get(promise.proposer)
  if (proposer !== undefined) {
    return proposer.clusterId !== clusterId && proposer.fresh?.bound !== clusterId
  }
  // The proposer's disk is lost. It may have founded the cluster before, but then it was the only one if every other
  // founder is seen without it, or lost as well.
  const isReplaced = (founder: NodeAddress): boolean =>
    round.sightings.some(({ asked, id }) => asked === founder.peer && id !== founder.id)
  return founders.every((founder) => {
    if (founder.id === self.id) return true
    const sighting = seen.get(founder.id)
    return sighting === undefined ? isReplaced(founder) : sighting.clusterId !== clusterId
  })
}

/** 128 bits of chance: clusters of all times and places must differ. */
function newClusterId(): string {
  return randomBytes(16).toString('hex')
}
