import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIP } from 'node:net'
import { decode, encode, RECURSION_DESIRED, type DecodedPacket } from 'dns-packet'
import { describeError } from '../../shared/errors.ts'
import { DNS_MESSAGE_BYTES_MAX } from '../../shared/limits.ts'
import {
  isTruncated,
  readAnswer,
  type DnsMessage,
  type DnsOutcome,
  type DnsType,
} from './dns-answer.ts'
import type { DnsServer } from './resolv-conf.ts'

type Question = { readonly name: string; readonly type: DnsType }

/**
 * Asks DNS servers one after the other until one answers: over UDP, and over TCP what does not fit. A client of our own,
 * because Node's tells neither how long SRV records live nor for how long there is nothing.
 */
export class DnsClient {
  readonly #servers: readonly DnsServer[]
  readonly #timeoutMs: number
  readonly #attempts: number

  constructor(options: {
    readonly servers: readonly DnsServer[]
    readonly timeoutMs: number
    readonly attempts: number
  }) {
    this.#servers = options.servers
    this.#timeoutMs = options.timeoutMs
    this.#attempts = options.attempts
  }

  /** Never rejects: a server that does not answer is a reason. */
  async ask(question: Question, signal: AbortSignal): Promise<DnsOutcome<unknown>> {
    let last: DnsOutcome<unknown> = { type: 'failed', reason: 'no DNS server answers' }
    for (let attempt = 0; attempt < this.#attempts; attempt++) {
      for (const server of this.#servers) {
        if (signal.aborted) return last
        const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)])
        last = await askServer(question, server, limit)
        if (last.type !== 'failed') return last
      }
    }
    return last
  }
}

async function askServer(
  question: Question,
  server: DnsServer,
  limit: AbortSignal,
): Promise<DnsOutcome<unknown>> {
  try {
    const short = await askOverUdp(question, server, limit)
    const message = isTruncated(short) ? await askOverTcp(question, server, limit) : short
    return readAnswer(message, question)
  } catch (error) {
    return { type: 'failed', reason: limit.aborted ? 'no answer in time' : describeError(error) }
  }
}

/** A port of its own for each question, and an id: an answer that fits neither is somebody else's. */
function askOverUdp(
  question: Question,
  server: DnsServer,
  limit: AbortSignal,
): Promise<DnsMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>()
  const { id, bytes } = encodeQuery(question)
  const socket = createSocket({ type: isIP(server.host) === 6 ? 'udp6' : 'udp4' })
  const stop = (): void => reject(new Error('no answer in time'))
  limit.addEventListener('abort', stop)
  socket.on('error', reject)
  socket.on('message', (data) => {
    const message = decodeAnswer(data, id, question)
    if (message !== null) resolve(message)
  })
  // A connected socket hears only its server, and of a port where nobody listens.
  socket.connect(server.port, server.host, () => socket.send(bytes))
  return promise.finally(() => {
    limit.removeEventListener('abort', stop)
    socket.close()
  })
}

function askOverTcp(
  question: Question,
  server: DnsServer,
  limit: AbortSignal,
): Promise<DnsMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>()
  const { id, bytes } = encodeQuery(question)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  let received = Buffer.alloc(0)
  const socket = connect({ host: server.host, port: server.port, signal: limit })
  socket.on('error', reject)
  socket.on('end', () => reject(new Error('the DNS server broke its answer off')))
  socket.on('connect', () => socket.write(Buffer.concat([length, bytes])))
  socket.on('data', (data: Buffer) => {
    received = Buffer.concat([received, data])
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
    const message = decodeAnswer(received.subarray(2, 2 + received.readUInt16BE(0)), id, question)
    if (message === null) reject(new Error('the DNS server answered something else'))
    else resolve(message)
  })
  return promise.finally(() => socket.destroy())
}

function encodeQuery({ name, type }: Question): { readonly id: number; readonly bytes: Buffer } {
  const id = randomInt(0x1_0000)
  const bytes = encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: DNS_MESSAGE_BYTES_MAX,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  })
  return { id, bytes }
}

/** Null for what is no answer to this question. */
function decodeAnswer(data: Buffer, id: number, question: Question): DecodedPacket | null {
  let packet: DecodedPacket
  try {
    packet = decode(data)
  } catch {
    return null
  }
  const [asked] = packet.questions ?? []
  const isAnswer =
    packet.type === 'response' &&
    packet.id === id &&
    asked?.type === question.type &&
    asked.name.toLowerCase() === question.name.toLowerCase()
  return isAnswer ? packet : null
}
