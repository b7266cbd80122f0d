import type { z } from 'zod'
import { describeError } from '../../shared/errors.ts'
import { FORM_CALL_MS_MAX, FORM_CONTACTS_MAX } from '../../shared/limits.ts'
import type { NodeAddress, NodeId, PeerIdentity, Transport } from '../ports.ts'
import { helloAnswerSchema, type FormingResponder } from './forming-responder.ts'
import type { FreshNode } from './founders.ts'
import type { Expansion } from './join-list.ts'

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
  readonly #expand: () => Promise<Expansion>
  /** Addresses that each entry of the join list came to when it was last looked up. */
  readonly #found = new Map<string, readonly string[]>()
  /** Addresses of the join list, and entries that could not be looked up. */
  #list: Map<string, NodeId | null>
  /** Addresses that other nodes told of, with the rounds that they have been silent for. */
  readonly #hearsay = new Map<string, number>()

  /** `expand` looks the join list up, before every round. */
  constructor(parts: {
    readonly responder: FormingResponder
    readonly join: readonly string[]
    readonly expand: () => Promise<Expansion>
    readonly call: Transport['call']
  }) {
    this.#responder = parts.responder
    this.#expand = parts.expand
    this.#call = parts.call
    this.#list = new Map(parts.join.map((peer) => [peer, null]))
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
    const silent = new Map<string, string>()
    await this.#lookUp(silent)
    const addresses = new Set([...this.#list.keys(), ...callers, ...this.#hearsay.keys()])
    for (const entry of silent.keys()) addresses.delete(entry)
    for (const peer of further) addresses.add(peer)
    // This node asks itself only where the list may mean it under another name.
    if (!this.#list.has(self.peer)) addresses.delete(self.peer)
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

  /** The join list as it is now. An entry that cannot be looked up is what it was, or counts as one silent node. */
  async #lookUp(silent: Map<string, string>): Promise<void> {
    const { peers, failed } = await this.#expand()
    for (const [entry, found] of peers) this.#found.set(entry, found)
    for (const [entry, reason] of failed) silent.set(entry, reason)
    const before = this.#list
    this.#list = new Map()
    for (const entry of [...peers.keys(), ...failed.keys()]) {
      for (const peer of this.#found.get(entry) ?? [entry]) {
        this.#list.set(peer, before.get(peer) ?? null)
      }
    }
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
