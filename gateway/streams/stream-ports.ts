import type { Socket } from 'node:net'
import { describeError } from '../../shared/errors.ts'
import { STREAM_CONNECTIONS_MAX, STREAM_RETRY_MS } from '../../shared/limits.ts'
import { streamPort, type CompiledStream } from '../../shared/routing/streams.ts'
import type { CompiledUpstream, Quarantined } from '../../shared/routing/types.ts'
import type { Networks } from '../../shared/addresses/networks.ts'
import { whyNotOpen, type PortRules } from './port-rules.ts'
import { StreamConnection, type StreamConnectionParts } from './stream-connection.ts'
import { StreamListener, type Arrival } from './stream-listener.ts'

export type StreamPortsParts = StreamConnectionParts & {
  readonly host: string
  readonly rules: PortRules
  readonly trusted: Networks | null
  /** How long connections have whose Stream is gone. */
  readonly drainMs: number
  /** The upstream of a key, as of now. */
  readonly upstreamOf: (key: string) => CompiledUpstream | undefined
  /** Ports have been opened, or could not be. */
  readonly onSettled: () => void
}

type Streams = ReadonlyMap<string, CompiledStream>

/**
 * The ports of all Streams in one worker: opened and closed as the config goes, without touching a connection. A Stream
 * whose port cannot be had is quarantined and tried again; until then its last form that had one goes on.
 */
export class StreamPorts {
  readonly #parts: StreamPortsParts
  #streams: Streams = new Map()
  /** By name, in the form in which connections are taken for it now. */
  readonly #serving = new Map<string, CompiledStream>()
  readonly #listeners = new Map<number, StreamListener>()
  /** Port → why it could not be opened the last time. */
  readonly #failures = new Map<number, string>()
  readonly #connections = new Map<string, Set<StreamConnection>>()
  readonly #beginning = new Set<Socket>()
  #count = 0
  /** Null: nothing is opened yet, or any more. */
  #isShared: boolean | null = null
  #retry: NodeJS.Timeout | null = null
  #whenEmpty: (() => void) | null = null

  constructor(parts: StreamPortsParts) {
    this.#parts = parts
  }

  /** Opens what there is to open, from now on; `isShared`: other workers have the same ports. */
  open(isShared: boolean): void {
    this.#isShared = isShared
    this.#reconcile()
  }

  /** The Streams of the table that is served now. */
  adopt(streams: Streams): void {
    if (streams === this.#streams) return
    this.#streams = streams
    for (const [name, connections] of this.#connections) {
      if (streams.has(name)) continue
      for (const connection of connections) connection.drain(this.#parts.drainMs)
    }
    this.#reconcile()
  }

  /** Whether every port has been tried. */
  get isSettled(): boolean {
    return [...this.#listeners].every(([port, { isOpen }]) => isOpen || this.#failures.has(port))
  }

  /** Streams whose port is not open, and why. */
  get quarantined(): readonly Quarantined[] {
    const { rules } = this.#parts
    return [...this.#streams.values()].flatMap(({ name, port }) => {
      const reason = whyNotOpen(port, rules) ?? this.#failures.get(port)
      return reason === undefined ? [] : [{ kind: 'Stream', name, reason }]
    })
  }

  /** Accepts no more; resolves when every connection is gone, which have a while for that. */
  drain(): Promise<void> {
    this.#isShared = null
    if (this.#retry !== null) clearTimeout(this.#retry)
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
    for (const socket of this.#beginning) socket.destroy()
    for (const connections of this.#connections.values()) {
      for (const connection of connections) connection.drain(this.#parts.drainMs)
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenEmpty = resolve
    // After those that the system has accepted: listeners take them before they close.
    setImmediate(() => {
      if (this.#count === 0) resolve()
    })
    return promise
  }

  #reconcile(): void {
    if (this.#isShared === null) return
    const wanted = new Set<number>()
    for (const { port } of this.#streams.values()) {
      if (whyNotOpen(port, this.#parts.rules) === null) wanted.add(port)
    }
    for (const port of this.#failures.keys()) if (!wanted.has(port)) this.#failures.delete(port)
    this.#settleForms()
    const byPort = this.#byPort()
    for (const [port, listener] of this.#listeners) {
      const streams = byPort.get(port)
      if (streams !== undefined) listener.adopt(streamPort(port, streams))
      else if (!wanted.has(port) || listener.isOpen) this.#close(port, listener)
    }
    for (const port of wanted) if (!this.#listeners.has(port)) this.#openPort(port)
  }

  /** Each Stream in its newest form that has an open port; without one, in the form that had one. */
  #settleForms(): void {
    for (const [name, { port }] of this.#serving) {
      const isOpen = this.#listeners.get(port)?.isOpen === true
      if (!this.#streams.has(name) || !isOpen) this.#serving.delete(name)
    }
    for (const [name, stream] of this.#streams) {
      if (this.#listeners.get(stream.port)?.isOpen === true) this.#serving.set(name, stream)
    }
  }

  /** Newest forms come first: of two that ask for the same names, the first has them. */
  #byPort(): ReadonlyMap<number, readonly CompiledStream[]> {
    const byPort = new Map<number, CompiledStream[]>()
    const isNewest = (stream: CompiledStream) => this.#streams.get(stream.name) === stream
    const all = [...this.#serving.values()]
    for (const stream of [...all.filter(isNewest), ...all.filter((each) => !isNewest(each))]) {
      const here = byPort.get(stream.port)
      if (here === undefined) byPort.set(stream.port, [stream])
      else here.push(stream)
    }
    return byPort
  }

  #openPort(port: number): void {
    const { deadlines, trusted, metrics, host } = this.#parts
    const listener = new StreamListener(streamPort(port, []), {
      deadlines,
      trusted,
      hasRoom: () => this.#count + this.#beginning.size < STREAM_CONNECTIONS_MAX,
      onBeginning: (socket) => {
        this.#beginning.add(socket)
        return () => void this.#beginning.delete(socket)
      },
      onArrival: (arrival) => this.#take(arrival),
      onRefused: (code) => metrics.failed(null, code),
    })
    this.#listeners.set(port, listener)
    listener.listen({ host, port, isShared: this.#isShared ?? false }).then(
      () => this.#onOpened(port, listener),
      (error: unknown) => this.#onFailed(port, listener, error),
    )
  }

  #onOpened(port: number, listener: StreamListener): void {
    if (this.#listeners.get(port) !== listener) {
      listener.close()
      return
    }
    this.#failures.delete(port)
    this.#reconcile()
    this.#parts.onSettled()
  }

  #onFailed(port: number, listener: StreamListener, error: unknown): void {
    if (this.#listeners.get(port) !== listener) return
    this.#listeners.delete(port)
    const reason = `port ${port} cannot be opened: ${describeError(error)}`
    const isNews = this.#failures.get(port) !== reason
    this.#failures.set(port, reason)
    this.#retry ??= setTimeout(() => {
      this.#retry = null
      this.#reconcile()
    }, STREAM_RETRY_MS).unref()
    if (isNews) this.#parts.onSettled()
  }

  #close(port: number, listener: StreamListener): void {
    this.#listeners.delete(port)
    listener.close()
  }

  #take({ socket, stream, endpoints, serverName }: Arrival): void {
    const { metrics, upstreamOf } = this.#parts
    const upstream = upstreamOf(stream.upstreamKey)
    const ofStream = this.#connections.get(stream.name) ?? new Set()
    if (upstream === undefined || ofStream.size >= stream.connectionsMax) {
      metrics.failed(stream.name, upstream === undefined ? 'UPSTREAM_UNHEALTHY' : 'OVERLOADED')
      socket.destroy()
      return
    }
    const taken = { socket, stream, upstream, endpoints, serverName }
    const connection = new StreamConnection(taken, this.#parts, () => this.#onOver(connection))
    this.#connections.set(stream.name, ofStream.add(connection))
    this.#count += 1
    connection.start()
    if (this.#whenEmpty !== null) connection.drain(this.#parts.drainMs)
  }

  #onOver(connection: StreamConnection): void {
    const ofStream = this.#connections.get(connection.name)
    ofStream?.delete(connection)
    if (ofStream?.size === 0) this.#connections.delete(connection.name)
    this.#count -= 1
    if (this.#count === 0) this.#whenEmpty?.()
  }
}
