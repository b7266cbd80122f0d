import type { Message, NodeId } from '../raft/messages.ts'
import type { OutgoingSnapshot } from './disk.ts'
import type { NodeAddress } from './members.ts'

/** Soft messages between nodes beside consensus. `body` is JSON. */
export type PeerNote = { readonly type: string; readonly body: unknown }

export type PeerHandler = {
  /** A consensus message from a member; never a local one. */
  onMessage(message: Message): void
  /** A note that asks for nothing. */
  onNote(from: NodeId, note: PeerNote): void
  /** A note that asks for an answer; a rejection travels back as an error. */
  onCall(from: PeerIdentity, call: PeerNote): Promise<unknown>
  /** A snapshot begins to arrive; resolves when it is staged, and then the `snap` message is handed to onMessage. */
  onSnapshot(
    message: Extract<Message, { type: 'snap' }>,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void>
  onUnreachable(id: NodeId): void
}

/** Who is on the other end of a link, by its own words. */
export type PeerIdentity = NodeAddress & { readonly clusterId: string | null }

/** Best-effort links to other nodes: may drop, delay or repeat, never corrupt, and never reorder on one link. */
export type Transport = {
  /** Returns false when the peer's queue is full or the peer is unknown, and the message was dropped. */
  send(message: Message): boolean
  sendNote(to: NodeId, note: PeerNote): boolean
  /** Asks a node by address, member or not; PEER_UNREACHABLE, TIMEOUT, or the error that the peer answered with. */
  call(
    peer: string,
    note: PeerNote,
    timeoutMs: number,
  ): Promise<{ readonly from: PeerIdentity; readonly body: unknown }>
  /** Streams a snapshot beside its `snap` message; rejects when it did not arrive whole. */
  sendSnapshot(
    message: Extract<Message, { type: 'snap' }>,
    snapshot: OutgoingSnapshot,
  ): Promise<void>
  /** Who is a member now: links to others are closed, links to new ones opened. */
  setPeers(peers: readonly NodeAddress[]): void
  /**
   * A member is somewhere else than membership says, by its own word: its link goes there from now on, until membership
   * says something new of it. Nodes that are no members are ignored.
   */
  learn(address: NodeAddress): void
  /** Where a member is by its own word, if that is not what membership says; else null. */
  learned(id: NodeId): NodeAddress | null
  /** Milliseconds since anything came from a peer; null when nothing ever did. */
  lastHeardMs(id: NodeId): number | null
  close(): Promise<void>
}
