import type { ClientBounds } from '../client-bounds.ts'
import type { Deadlines } from '../deadlines.ts'
import type { ByteStream, ServeExchange } from '../exchange.ts'
import type { HeadBounds } from '../http1/head-bounds.ts'
import type { Refusal } from '../http1/refusal.ts'
import type { ClientConnection } from './client-connection.ts'
import type { TrustedProxies } from './trusted-proxies.ts'

/** What connections of one listener share. */
export type ConnectionParts = {
  readonly serve: ServeExchange
  /** An id for a request that never reached the pipeline. */
  readonly nextRequestId: () => string
  /** A request was refused before it became an exchange. */
  readonly onRefused: (code: Refusal['code']) => void
  readonly deadlines: Deadlines
  readonly bounds: ClientBounds
  readonly headBounds: HeadBounds
  /** Bytes of a body that a client owes every `idleMs` while it is waited for; at least 1. */
  readonly bodyBytesMin: number
  /** Null: nobody is believed about the address of a client. */
  readonly trusted: TrustedProxies | null
  /** Whether connections are to close after their replies. */
  readonly isDraining: () => boolean
  readonly onClosed: (connection: ClientConnection) => void
  /** The client speaks HTTP/2: its socket, with all that was read of it, is handed over. */
  readonly speakHttp2: (socket: ByteStream, connection: ClientConnection) => void
}
