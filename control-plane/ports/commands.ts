import type { DefinitionInput, Kind } from '../../shared/definitions/kinds.ts'
import type { NodeAddress } from './members.ts'
import type { UsageCommand } from './usage.ts'

/** `ifRevision`: the definition's revision that must stand; 0 means that it must not exist; null means any. */
export type Operation =
  | { readonly op: 'put'; readonly definition: DefinitionInput; readonly ifRevision: number | null }
  | {
      readonly op: 'delete'
      readonly kind: Kind
      readonly name: string
      readonly ifRevision: number | null
    }

/** Who made a write and from where, as the node found that took it. `author` is what people call that. */
export type Origin = {
  /** `local`, `token:ci` or `certificate:n1`. */
  readonly caller: string
  readonly role: string
  /** Address of the client. */
  readonly address: string
}

/** An operation as it is asked for: a put that would change nothing may be left out. */
export type AskedOperation = Operation & { readonly ifChanged?: true }

export type WriteCommand = {
  readonly type: 'write'
  /** Idempotency key: a command with a key that was applied before changes nothing and gives the first result. */
  readonly key: string
  /** Digest of what the client asked, so that a reused key for another write is told apart. */
  readonly fingerprint: string
  /** The leader's clock when it took the write; milliseconds since 1970. */
  readonly atMs: number
  readonly author: string
  /** Left out by versions that did not know it. */
  readonly origin?: Origin
  readonly message: string | null
  readonly operations: readonly Operation[]
  /** The config revision that must stand, or null. */
  readonly ifConfigRevision: number | null
}

/** A member tells its current addresses: it came back under new ones. */
type MemberCommand = { readonly type: 'member'; readonly address: NodeAddress }

/**
 * What lets the first admin in, and lets nodes without certificates vouch for callers to each other. The first leader
 * makes it, and it stays: what comes later changes nothing.
 */
export type ClusterAccess = {
  /** SHA-256 of the bootstrap token's secret, in hex. */
  readonly bootstrapHash: string
  /** 256 bits as base64url. */
  readonly forwardingSecret: string
  /** When it was made, by the clock of the leader that made it; milliseconds since 1970. */
  readonly atMs: number
}

/** A command of the system's own: it makes no revision and no definition. */
type AccessCommand = { readonly type: 'access'; readonly access: ClusterAccess }

export type Command = WriteCommand | MemberCommand | AccessCommand | UsageCommand

export type WriteResult =
  | {
      readonly ok: true
      readonly revision: number
      /** One a definition, in the order of the operations. */
      readonly results: readonly OperationResult[]
      /** The same key was applied before; this is the first result. */
      readonly isRepeat: boolean
    }
  | {
      readonly ok: false
      readonly code: 'REVISION_CONFLICT' | 'DEFINITION_NOT_FOUND' | 'IDEMPOTENCY_KEY_REUSED'
      readonly detail: string
      /** Which operation, or null for the whole command. */
      readonly at: number | null
      /** The revision that stands: of the definition, or of the config when `at` is null. */
      readonly currentRevision: number
    }

export type OperationResult = {
  readonly op: 'put' | 'delete'
  readonly kind: Kind
  readonly name: string
  readonly revision: number
  /** For a put: it did not exist before. */
  readonly created: boolean
}
