import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Random } from '../../../shared/random.ts'
import { STRANGER, type NameDialler } from './dialler.ts'
import { Flow, type Fault } from './flow.ts'

export type { Fault } from './flow.ts'

type Connection = {
  readonly near: Socket
  readonly far: Socket
  readonly from: string
  readonly to: string
  readonly flows: { readonly there: Flow; readonly back: Flow }
}

/** How much somebody may say before it is known who speaks. */
const INTRODUCTION_BYTES_MAX = 64 * 1_024

/**
 * The links between nodes: a relay in front of every port, which knows each dialler by what it says first. So every
 * pair has a fault of its own in each direction, whoever opened the connection.
 */
export class Network {
  readonly #random: Random
  readonly #faults = new Map<string, Fault>()
  readonly #relays: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #connections = new Set<Connection>()

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  /** Opens a port in front of `port`, which belongs to the node `to`. Gives its number. */
  async relay(to: string, port: number, nameDialler: NameDialler): Promise<number> {
    const relay = createServer({ noDelay: true }, (near) => {
      this.#own(near)
      this.#introduce(near, nameDialler, (from, bytes) =>
        this.#join({ near, from, to, port, bytes }),
      )
    })
    relay.listen(0, '127.0.0.1')
    await once(relay, 'listening')
    this.#relays.push(relay)
    const address = relay.address()
    if (address === null || typeof address === 'string') throw new Error('a relay has a port')
    return address.port
  }

  /** From now on this happens to what `from` sends to `to`; null for nothing. */
  set(from: string, to: string, fault: Fault | null): void {
    const direction = `${from}>${to}`
    if (fault === null) this.#faults.delete(direction)
    else this.#faults.set(direction, fault)
    for (const { flows, ...one } of this.#connections) {
      if (one.from === from && one.to === to) flows.there.become(fault)
      if (one.from === to && one.to === from) flows.back.become(fault)
    }
  }

  /** The same in both directions between every node of one side and every node of the other. */
  part(side: readonly string[], other: readonly string[], fault: Fault): void {
    for (const a of side) {
      for (const b of other) {
        this.set(a, b, fault)
        this.set(b, a, fault)
      }
    }
  }

  /** No link has a fault any more. */
  heal(): void {
    for (const direction of this.#faults.keys()) {
      const [from = '', to = ''] = direction.split('>')
      this.set(from, to, null)
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(
      this.#relays.map(async (relay) => {
        relay.close()
        await once(relay, 'close')
      }),
    )
  }

  #introduce(
    near: Socket,
    nameDialler: NameDialler,
    onKnown: (from: string, bytes: Buffer) => void,
  ): void {
    let bytes: Buffer = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk])
      const from = bytes.length > INTRODUCTION_BYTES_MAX ? STRANGER : nameDialler(bytes)
      if (from === null) return
      near.off('data', onData)
      onKnown(from, bytes)
    }
    near.on('data', onData)
  }

  #join(parts: {
    readonly near: Socket
    readonly from: string
    readonly to: string
    readonly port: number
    readonly bytes: Buffer
  }): void {
    const { near, from, to, port, bytes } = parts
    const faults = {
      there: this.#faults.get(`${from}>${to}`),
      back: this.#faults.get(`${to}>${from}`),
    }
    if (faults.there?.type === 'cut' || faults.back?.type === 'cut') {
      near.resetAndDestroy()
      return
    }
    const far = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#own(far)
    const chance = () => this.#random.next() / 0x1_0000_0000
    const flows = {
      there: new Flow({ source: near, sink: far, fault: faults.there ?? null, chance }),
      back: new Flow({ source: far, sink: near, fault: faults.back ?? null, chance }),
    }
    const connection = { near, far, from, to, flows }
    this.#connections.add(connection)
    flows.there.push(bytes)
    const onClose = (): void => {
      if (near.destroyed && far.destroyed) this.#connections.delete(connection)
    }
    near.once('close', onClose)
    far.once('close', onClose)
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket)
    // `close` follows, and is what counts.
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
