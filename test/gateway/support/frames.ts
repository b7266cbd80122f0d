import type { Socket } from 'node:net'
import { openRaw } from './raw-client.ts'

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const END_STREAM = 1
export const END_HEADERS = 4

const NOTHING: Buffer = Buffer.alloc(0)

export type Frame = {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** One frame as it goes over the wire (RFC 9113 4.1). */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = NOTHING,
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Fields as literals that leave no trace in any table (RFC 7541 6.2.2), or as new entries of the table (6.2.1). */
export function literals(fields: readonly (readonly [string, string])[], isKept = false): Buffer {
  const pieces = fields.flatMap(([name, value]) => [
    Buffer.of(isKept ? 0x40 : 0x00),
    text(name),
    text(value),
  ])
  return Buffer.concat(pieces)
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes])
  const length: number[] = [127]
  let left = bytes.length - 127
  while (left >= 128) {
    length.push((left & 127) | 128)
    left >>>= 7
  }
  length.push(left)
  return Buffer.concat([Buffer.from(length), bytes])
}

/** A connection of HTTP/2 whose frames are written by hand. */
export class FrameClient {
  readonly socket: Socket
  /** Frames that came, in order. */
  readonly frames: Frame[] = []
  isClosed = false
  /** False: settings of the other side are left without an answer, so that it must not rely on them yet. */
  acknowledges = true
  #rest = NOTHING

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => this.#onData(bytes))
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  /** Says the preface and empty settings; those of the other side are acknowledged when they come. */
  static async open(port: number): Promise<FrameClient> {
    const client = new FrameClient(await openRaw(port))
    client.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
    client.socket.write(frame(FRAME.SETTINGS, 0, 0))
    return client
  }

  /** Writes as long as the other side takes it; gives whether it still does. */
  async send(bytes: Buffer): Promise<boolean> {
    if (this.socket.destroyed || this.isClosed) return false
    if (this.socket.write(bytes)) return true
    return new Promise((resolve) => {
      const done = (): void => {
        this.socket.off('drain', done)
        this.socket.off('close', done)
        resolve(!this.socket.destroyed)
      }
      this.socket.on('drain', done)
      this.socket.on('close', done)
    })
  }

  ofType(type: number): readonly Frame[] {
    return this.frames.filter((given) => given.type === type)
  }

  /** The code of the GOAWAY that came; null while none did. */
  get goneAwayWith(): number | null {
    return this.ofType(FRAME.GOAWAY).at(-1)?.payload.readUInt32BE(4) ?? null
  }

  #onData(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < end) return
      this.frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        stream: this.#rest.readUInt32BE(5),
        payload: Buffer.from(this.#rest.subarray(9, end)),
      })
      if (this.acknowledges && this.#rest[3] === FRAME.SETTINGS && this.#rest[4] === 0) {
        this.socket.write(frame(FRAME.SETTINGS, 1, 0))
      }
      this.#rest = this.#rest.subarray(end)
    }
  }
}
