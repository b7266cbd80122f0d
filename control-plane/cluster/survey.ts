import type { z } from 'zod'
import { describeError } from '../../shared/errors.ts'
import { FORM_CALL_MS_MAX, FORM_CONTACTS_MAX } from '../../shared/limits.ts'
import type { NodeAddress, NodeId, PeerIdentity, Transport } from '../ports.ts'
import { helloAnswerSchema, type FormingResponder } from './forming-responder.ts'
import type { FreshNode } from './founders.ts'

/** Rounds without an answer after which an address that is not in the join list is forgotten. */
const SILENT_ROUNDS_MAX = 50

/** One node as it answered in one round. */
export type Sighting = {
  readonly id: NodeId
  readonly name: string
  /** Where it was asked. */
  readonly asked: string
  /** The cluster that it belongs to; null for a node without one. */
  readonly clusterId: string | null
  /** What it says of itself while it has no cluster. */
  readonly fresh: FreshNode | null
}

/** All answers of one round. */
export type Round = {
  /** One a node, this one left out. */
  readonly sightings: readonly Sighting[]
  /** Addresses that did not answer, and why. */
  readonly silent: ReadonlyMap<string, string>
}

/** Asks around: everybody in the join list, everybody who called, and everybody whom they know. */
export class Survey {
  readonly #responder: FormingResponder
  readonly #call: Transport['call']
  readonly #list: Map<string, NodeId | null>
  /** Addresses that other nodes told of, with the rounds that they have been silent for. */
  readonly #hearsay = new Map<string, number>()

  constructor(responder: FormingResponder, join: readonly string[], call: Transport['call']) {
    this.#responder = responder
    this.#call = call
    this.#list = new Map(join.map((peer) => [peer, null]))
  }

  /** The join list, with whom it is known to mean. */
  get list(): ReadonlyMap<string, NodeId | null> {
    return this.#list
  }

  /** The join list names only this node. */
  get isAlone(): boolean {
    const { id, peer } = this.#responder.self
    return [...this.#list].every(([entry, meant]) => meant === id || entry === peer)
  }

  /** Asks everybody at once; `further` beside those that are known. Every question is put after the call began. */
  async ask(further: readonly string[]): Promise<Round> {
    const { self, callers } = this.#responder
    const addresses = new Set([...this.#list.keys(), ...callers, ...this.#hearsay.keys()])
    for (const peer of further) addresses.add(peer)
    // This node asks itself only where the list may mean it under another name.
    if (!this.#list.has(self.peer)) addresses.delete(self.peer)
    const silent = new Map<string, string>()
    const answers = await Promise.all(
      [...addresses].map((peer) =>
        this.#hello(peer).catch((error: unknown) => {
          silent.set(peer, describeError(error))
          return null
        }),
      ),
    )
    const sightings = new Map<NodeId, Sighting>()
    for (const sighting of answers) {
      if (sighting === null) continue
      if (this.#list.has(sighting.asked)) this.#list.set(sighting.asked, sighting.id)
      // A node that is asked under two names counts once, and as a member of a cluster once it said so.
      const isOlder = (sightings.get(sighting.id)?.clusterId ?? null) !== null
      if (sighting.id !== self.id && !isOlder) sightings.set(sighting.id, sighting)
    }
    this.#forgetSilent(silent)
    return { sightings: [...sightings.values()], silent }
  }

  async #hello(peer: string): Promise<Sighting> {
    const { from, body } = await this.#call(peer, { type: 'hello', body: null }, FORM_CALL_MS_MAX)
    const { id, name, clusterId } = from
    if (clusterId !== null) return { id, name, asked: peer, clusterId, fresh: null }
    const answer = helloAnswerSchema.parse(body)
    this.#learn(answer.contacts)
    return {
      id,
      name,
      asked: peer,
      clusterId: answer.clusterId,
      fresh: answer.clusterId === null ? { ...answer, address: addressOf(from) } : null,
    }
  }

  #learn(contacts: z.infer<typeof helloAnswerSchema>['contacts']): void {
    for (const peer of contacts) {
      if (this.#hearsay.size >= FORM_CONTACTS_MAX) return
      if (!this.#hearsay.has(peer)) this.#hearsay.set(peer, 0)
    }
  }

  #forgetSilent(silent: ReadonlyMap<string, string>): void {
    for (const [peer, rounds] of this.#hearsay) {
      this.#hearsay.set(peer, silent.has(peer) ? rounds + 1 : 0)
      if (rounds < SILENT_ROUNDS_MAX) continue
      this.#hearsay.delete(peer)
      this.#responder.forget(peer)
    }
  }
}

function addressOf({ id, name, api, peer, release }: PeerIdentity): NodeAddress {
  return { id, name, api, peer, ...(release && { release }) }
}
