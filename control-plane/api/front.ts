import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { HotConnection } from './hot-connection.ts'
import type { HotRequest } from './hot-request.ts'
import type { HotResponse } from './hot-response.ts'

const SWEEP_MS = 500

export type FrontParts = {
  readonly server: Server
  readonly bodyBytesMax: number
  readonly takes: (request: HotRequest) => boolean
  readonly serve: (request: HotRequest, response: HotResponse) => void
}

/**
 * Stands before node:http on the same port, and answers the calls that come most often itself: node:http and the web
 * framework cost several times of what such a call does. Every other call finds them as if nothing stood before.
 */
export class Front {
  readonly #parts: FrontParts
  readonly #connections = new Set<HotConnection>()
  readonly #timer: NodeJS.Timeout
  readonly #own: (socket: Socket) => void

  /** Takes the connections of `server`, which listens and closes as before. */
  constructor(parts: FrontParts) {
    this.#parts = parts
    const { server } = parts
    const event = 'setSecureContext' in server ? 'secureConnection' : 'connection'
    const listeners = server.listeners(event) as ((socket: Socket) => void)[]
    this.#own = (socket) => {
      for (const listener of listeners) listener.call(server, socket)
    }
    server.removeAllListeners(event)
    server.on(event, (socket: Socket) => this.#take(socket))
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS)
    this.#timer.unref()
    server.once('close', () => clearInterval(this.#timer))
  }

  closeIdleConnections(): void {
    for (const connection of this.#connections) connection.closeIfIdle()
  }

  closeAllConnections(): void {
    for (const connection of this.#connections) connection.close()
  }

  #take(socket: Socket): void {
    const { server } = this.#parts
    const connection: HotConnection = new HotConnection({
      ...this.#parts,
      socket,
      keepAliveMs: server.keepAliveTimeout,
      handOver: this.#own,
      onGone: () => this.#connections.delete(connection),
    })
    this.#connections.add(connection)
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const connection of this.#connections) connection.sweep(nowMs)
  }
}
