// As much of gRPC over HTTP/2 (RFC 9113) as a load needs: unary calls, one at a time on a connection, requests encoded
// before, answers taken for good when they carry a message. Heads are literals without index (RFC 7541 6.2.2), so that
// nothing has to be remembered between them.
import { connect, type Socket } from 'node:net'

const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8 } as const
const END_STREAM = 1
const END_HEADERS = 4
const ACK = 1
const WINDOW_BYTES = 65_535
const FRAME_BYTES_MAX = 16_384
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const NO_BYTES = Buffer.alloc(0)

/** A unary call, ready to be sent on any connection. */
export type GrpcCall = { readonly head: Buffer; readonly message: Buffer }

/** A call of `path`, such as `/etcdserverpb.KV/Put`, with an encoded message. */
export function grpcCall(path: string, message: Buffer): GrpcCall {
  const head = Buffer.concat([
    Buffer.from([0x83, 0x86]), // :method POST, :scheme http
    literal(4, path),
    literal(1, '127.0.0.1'),
    Buffer.from([0x0f, 0x10]), // content-type, entry 31 of the static table
    text('application/grpc'),
    Buffer.from([0x00]),
    text('te'),
    text('trailers'),
  ])
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return { head, message: Buffer.concat([prefix, message]) }
}

/** One connection. */
export class RawGrpc {
  readonly #socket: Socket
  #bytes: Buffer = NO_BYTES
  #stream = -1
  #hasMessage = false
  /** What the server still takes on this connection. */
  #window = WINDOW_BYTES
  #blocked: { readonly bytes: Buffer; readonly dataBytes: number } | null = null
  #waiting: { resolve: () => void; reject: (error: Error) => void } | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection closed')))
    socket.write(PREFACE)
    socket.write(frame(FRAME.settings, 0, 0, NO_BYTES))
    // Answers are never held up: the window of the connection is opened wide, and again as it is used.
    socket.write(frame(FRAME.window, 0, 0, uint32(0x7fff_0000 - WINDOW_BYTES)))
  }

  static open(port: number): Promise<RawGrpc> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawGrpc(socket))
      })
    })
  }

  /** Resolves when the call was answered with a message; the one before must have been answered. */
  call({ head, message }: GrpcCall): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#stream += 2
      this.#hasMessage = false
      const frames = [frame(FRAME.headers, END_HEADERS, this.#stream, head)]
      for (let at = 0; at < message.length; at += FRAME_BYTES_MAX) {
        const data = message.subarray(at, at + FRAME_BYTES_MAX)
        const flags = at + data.length === message.length ? END_STREAM : 0
        frames.push(frame(FRAME.data, flags, this.#stream, data))
      }
      this.#send(Buffer.concat(frames), message.length)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  /** A message is smaller than a window, and only one is under way: it waits whole. */
  #send(bytes: Buffer, dataBytes: number): void {
    if (dataBytes > this.#window) {
      this.#blocked = { bytes, dataBytes }
      return
    }
    this.#window -= dataBytes
    this.#socket.write(bytes)
  }

  #onData(chunk: Buffer): void {
    const bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    let at = 0
    while (bytes.length - at >= 9) {
      const end = at + 9 + bytes.readUIntBE(at, 3)
      if (bytes.length < end) break
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
      this.#onFrame({
        type: bytes[at + 3] ?? 0,
        flags: bytes[at + 4] ?? 0,
        stream,
        payload: bytes.subarray(at + 9, end),
      })
      at = end
    }
    this.#bytes = at === bytes.length ? NO_BYTES : bytes.subarray(at)
  }

  #onFrame(received: {
    readonly type: number
    readonly flags: number
    readonly stream: number
    readonly payload: Buffer
  }): void {
    const { type, flags, stream, payload } = received
    if (type === FRAME.settings && (flags & ACK) === 0) {
      this.#socket.write(frame(FRAME.settings, ACK, 0, NO_BYTES))
    } else if (type === FRAME.ping && (flags & ACK) === 0) {
      this.#socket.write(frame(FRAME.ping, ACK, 0, payload))
    } else if (type === FRAME.window && stream === 0) {
      this.#onWindow(payload.readUInt32BE(0))
    } else if (type === FRAME.goaway || type === FRAME.reset) {
      this.#fail(new Error(`the server ended the call, frame ${type}`))
    } else if (stream === this.#stream) {
      if (type === FRAME.data && payload.length > 0) this.#hasMessage = true
      if ((flags & END_STREAM) !== 0 && type <= FRAME.headers) this.#finish()
    }
  }

  #onWindow(bytes: number): void {
    this.#window += bytes
    const blocked = this.#blocked
    this.#blocked = null
    if (blocked !== null) this.#send(blocked.bytes, blocked.dataBytes)
  }

  #finish(): void {
    const waiting = this.#waiting
    this.#waiting = null
    if (this.#hasMessage) waiting?.resolve()
    else waiting?.reject(new Error('the call was answered without a message'))
  }

  #fail(error: Error): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.reject(error)
  }
}

/** A field of bytes in protobuf: number, length, content. */
export function bytesField(number: number, content: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(content.length), content])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function literal(nameIndex: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([nameIndex]), text(value)])
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
}
