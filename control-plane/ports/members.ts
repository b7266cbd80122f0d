import type { Release } from '../../shared/features.ts'
import type { NodeId } from '../raft/messages.ts'

export type HostPort = { readonly host: string; readonly port: number }

/** Looks names up, anew at each call. Each rejects with an Error that says which name, and why. */
export type Lookup = {
  /** Every address of a host, of both families; the host itself if it is one. */
  addresses(host: string): Promise<readonly string[]>
  /** Where a service is, by its SRV records. */
  services(name: string): Promise<readonly HostPort[]>
}

/** How to reach a node, and what people call it. */
export type NodeAddress = {
  readonly id: NodeId
  readonly name: string
  /** `http://127.0.0.1:7400` */
  readonly api: string
  /** `127.0.0.1:7401` */
  readonly peer: string
  /** What it runs; a node that announces nothing knows the least. */
  readonly release?: Release | undefined
}

/** What a node is, for good: written once, when it forms or joins a cluster. */
export type Identity = { readonly clusterId: string; readonly nodeId: NodeId }
