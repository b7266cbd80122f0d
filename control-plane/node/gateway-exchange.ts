import { z } from 'zod'
import type { Counted } from '../../shared/count-protocol.ts'
import { GATEWAYS_MAX } from '../../shared/limits.ts'
import type { GatewayStatus, NodeAddress, NodeId, Transport } from '../ports.ts'

type CountsListener = (counts: readonly Counted[]) => void
type GatewayListener = (node: string, gateways: readonly GatewayStatus[]) => void

const namesSchema = z.array(z.string()).max(GATEWAYS_MAX)

/** What gateway exchange needs of the node around it. */
export type GatewayExchangeParts = {
  readonly self: NodeAddress
  readonly transport: Transport
  readonly members: () => ReadonlyMap<NodeId, NodeAddress>
  readonly isHeard: (id: NodeId) => boolean
}

/** What nodes tell each other of the gateways that are connected to them. Soft state, beside the log. */
export class GatewayExchange {
  readonly #parts: GatewayExchangeParts
  readonly #listeners = new Set<GatewayListener>()
  readonly #countListeners = new Set<CountsListener>()
  #read: () => readonly string[] = () => []

  constructor(parts: GatewayExchangeParts) {
    this.#parts = parts
  }

  publish(gateways: readonly GatewayStatus[]): void {
    for (const { id } of this.#others()) {
      this.#parts.transport.sendNote(id, { type: 'gateways', body: gateways })
    }
  }

  onGateways(listener: GatewayListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  publishCounts(counts: readonly Counted[]): void {
    for (const { id } of this.#others()) {
      this.#parts.transport.sendNote(id, { type: 'counts', body: counts })
    }
  }

  onCounts(listener: CountsListener): () => void {
    this.#countListeners.add(listener)
    return () => this.#countListeners.delete(listener)
  }

  /** A peer of the same cluster is trusted to send what `publishCounts` was given. */
  onCountsNote(body: unknown): void {
    for (const hear of this.#countListeners) hear(body as readonly Counted[])
  }

  onNote(from: NodeId, body: unknown): void {
    const name = this.#parts.members().get(from)?.name
    if (name === undefined) return
    // A peer of the same cluster is trusted to send what `publish` was given.
    for (const hear of this.#listeners) hear(name, body as readonly GatewayStatus[])
  }

  /** From now on `read` answers those who ask. */
  answerWith(read: () => readonly string[]): void {
    this.#read = read
  }

  /** Names of the gateways that are connected to this node now. */
  onAsked(): readonly string[] {
    return this.#read()
  }

  /** By node, the gateways that are connected to it now; those that are away or late are left out. Never rejects. */
  async ask(timeoutMs: number): Promise<ReadonlyMap<string, readonly string[]>> {
    const { transport, isHeard } = this.#parts
    const connected = new Map<string, readonly string[]>()
    await Promise.all(
      this.#others()
        .filter(({ id }) => isHeard(id))
        .map(async ({ id, name, peer }) => {
          const at = transport.learned(id)?.peer ?? peer
          const note = { type: 'gateways', body: null }
          const answer = await transport.call(at, note, timeoutMs).catch(() => null)
          const names = namesSchema.safeParse(answer?.body)
          if (names.success) connected.set(name, names.data)
        }),
    )
    return connected
  }

  #others(): readonly NodeAddress[] {
    return [...this.#parts.members().values()].filter(({ id }) => id !== this.#parts.self.id)
  }
}
