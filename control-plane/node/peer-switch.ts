import { RaftwayError } from '../../shared/errors.ts'
import type { PeerHandler, PeerIdentity, PeerNote } from '../ports.ts'
import type { Message, MessageOf, NodeId } from '../raft/messages.ts'

/** What answers calls while a node has no cluster. */
export type FreshResponder = { onCall(from: PeerIdentity, call: PeerNote): Promise<unknown> }

/** Where peer links deliver: to whatever answers for a node without a cluster, then to the node. */
export class PeerSwitch implements PeerHandler {
  readonly #fresh: FreshResponder
  #node: PeerHandler | null = null

  constructor(fresh: FreshResponder) {
    this.#fresh = fresh
  }

  /** From here on everything goes to the node. */
  deliverTo(node: PeerHandler): void {
    this.#node = node
  }

  onMessage(message: Message): void {
    // Consensus repeats what a node that is just starting has missed.
    this.#node?.onMessage(message)
  }

  onNote(from: NodeId, note: PeerNote): void {
    this.#node?.onNote(from, note)
  }

  onCall(from: PeerIdentity, call: PeerNote): Promise<unknown> {
    return this.#node === null ? this.#fresh.onCall(from, call) : this.#node.onCall(from, call)
  }

  async onSnapshot(message: MessageOf<'snap'>, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#node === null) throw new RaftwayError('NOT_FORMED', 'this node has no cluster yet')
    await this.#node.onSnapshot(message, chunks)
  }

  onUnreachable(id: NodeId): void {
    this.#node?.onUnreachable(id)
  }
}
