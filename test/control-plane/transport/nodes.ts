// Real transports on loopback, a handler that writes down what it hears, and a relay that spoils bytes in between.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { SILENT, type Logger } from '../../../shared/logger.ts'
import { Random } from '../../../shared/random.ts'
import type {
  Message,
  NodeId,
  PeerHandler,
  PeerIdentity,
  PeerNote,
} from '../../../control-plane/ports.ts'
import { TCP_LINKS, type LinkPort } from '../../../control-plane/transport/links.ts'
import { PROTOCOLS, type Protocols } from '../../../control-plane/transport/wire.ts'
import { TcpTransport } from '../../../control-plane/transport/tcp-transport.ts'

/** A handler that writes down what it hears; what it answers can be set. */
class Recorder implements PeerHandler {
  readonly messages: Message[] = []
  readonly notes: { readonly from: NodeId; readonly note: PeerNote }[] = []
  readonly unreachable: NodeId[] = []
  answer: (from: PeerIdentity, call: PeerNote) => Promise<unknown> = (_from, call) =>
    Promise.resolve(call.body)
  takeSnapshot: PeerHandler['onSnapshot'] = () => Promise.reject(new Error('not expected'))

  onMessage(message: Message): void {
    this.messages.push(message)
  }

  onNote(from: NodeId, note: PeerNote): void {
    this.notes.push({ from, note })
  }

  onCall(from: PeerIdentity, call: PeerNote): Promise<unknown> {
    return this.answer(from, call)
  }

  onSnapshot(...given: Parameters<PeerHandler['onSnapshot']>): Promise<void> {
    return this.takeSnapshot(...given)
  }

  onUnreachable(id: NodeId): void {
    this.unreachable.push(id)
  }
}

export type TestNode = {
  readonly id: NodeId
  readonly handler: Recorder
  readonly transport: TcpTransport
  readonly address: PeerIdentity
  /** What it says of itself from now on. */
  identity: PeerIdentity
}

/** Everything opened here is closed by `closeAll`. */
export class TestNodes {
  readonly #closers: (() => Promise<void>)[] = []

  async open(
    id: NodeId,
    more: {
      readonly clusterId?: string | null
      readonly port?: number
      readonly links?: LinkPort
      readonly onEnrol?: (call: PeerNote) => Promise<unknown>
      readonly logger?: Logger
      readonly protocols?: Protocols
    } = {},
  ): Promise<TestNode> {
    const { clusterId = 'one', port = 0, links = TCP_LINKS, logger = SILENT, onEnrol } = more
    const { protocols = PROTOCOLS } = more
    const handler = new Recorder()
    let identity: PeerIdentity = { id, name: `n${id}`, api: '', peer: '', clusterId }
    const transport = await TcpTransport.listen({
      host: '127.0.0.1',
      port,
      self: () => node.identity,
      handler,
      logger,
      links,
      protocols,
      ...(onEnrol === undefined ? {} : { onEnrol }),
      random: new Random(id),
    })
    identity = { ...identity, peer: transport.address }
    const node: TestNode = { id, handler, transport, address: identity, identity }
    this.#closers.push(() => transport.close())
    return node
  }

  async relay(target: string): Promise<Relay> {
    const relay = await Relay.open(target)
    this.#closers.push(() => relay.close())
    return relay
  }

  async server(onSocket: (socket: Socket) => void): Promise<string> {
    const { server, sockets } = await listen(onSocket)
    this.#closers.push(() => shut(server, sockets))
    return addressOf(server)
  }

  async closeAll(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close()
  }
}

/** Passes bytes on, unless it is told to spoil, to swallow or to cut them. */
export class Relay {
  /** Changes what passes towards the target. */
  spoil: (chunk: Buffer) => Buffer = (chunk) => chunk
  /** Nothing passes any more, in either direction, and nobody is told. */
  isSwallowing = false
  connections = 0
  readonly #server: Server
  readonly #sockets: Set<Socket>

  static async open(target: string): Promise<Relay> {
    let relay: Relay | null = null
    const { server, sockets } = await listen((socket) => relay?.carry(socket, target))
    relay = new Relay(server, sockets)
    return relay
  }

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server
    this.#sockets = sockets
  }

  get address(): string {
    return addressOf(this.#server)
  }

  carry(socket: Socket, target: string): void {
    this.connections++
    const [host, port] = target.split(':')
    const onward = connect(Number(port), host ?? '')
    this.#sockets.add(onward)
    onward.on('error', () => socket.destroy())
    onward.on('close', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    socket.on('data', (chunk: Buffer) => {
      if (!this.isSwallowing) onward.write(this.spoil(chunk))
    })
    onward.on('data', (chunk: Buffer) => {
      if (!this.isSwallowing) socket.write(chunk)
    })
  }

  /** Breaks every connection that passes through it now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  close(): Promise<void> {
    return shut(this.#server, this.#sockets)
  }
}

async function listen(
  onSocket: (socket: Socket) => void,
): Promise<{ server: Server; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return { server, sockets }
}

function shut(server: Server, sockets: Set<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy()
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}

function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Resolves when `isTrue` is, or rejects with `what` after `ms`. */
export async function until(what: string, isTrue: () => boolean, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 2)
    })
  }
}
