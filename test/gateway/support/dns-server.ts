import { createSocket } from 'node:dgram'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  TRUNCATED_RESPONSE,
  type Answer,
  type Question,
} from 'dns-packet'

/** What the server says to a question. */
export type DnsReply = {
  /** 0 is NOERROR, 2 SERVFAIL, 3 NXDOMAIN. */
  readonly rcode?: number
  readonly answers?: readonly Answer[]
  readonly authorities?: readonly Answer[]
  /** Over UDP nothing but the sign that it did not fit. */
  readonly isTruncated?: boolean
}

/** A DNS server on a port of its own, over UDP and TCP, that says what it is told. */
export type TestDns = {
  readonly port: number
  /** `127.0.0.1:PORT`, as definitions name it. */
  readonly address: string
  /** Questions that came, `udp A name` each. */
  readonly questions: string[]
  close(): Promise<void>
}

/** Null: the server keeps silent. */
export async function startDns(answer: (question: Question) => DnsReply | null): Promise<TestDns> {
  const questions: string[] = []
  const reply = (data: Buffer, way: 'udp' | 'tcp'): Buffer | null => {
    const { id, questions: [question] = [] } = decode(data)
    if (question === undefined) return null
    questions.push(`${way} ${question.type} ${question.name}`)
    const said = answer(question)
    if (said === null) return null
    const isCut = way === 'udp' && said.isTruncated === true
    return encode({
      type: 'response',
      ...(id === undefined ? {} : { id }),
      flags: AUTHORITATIVE_ANSWER | (said.rcode ?? 0) | (isCut ? TRUNCATED_RESPONSE : 0),
      questions: [question],
      answers: isCut ? [] : [...(said.answers ?? [])],
      authorities: [...(said.authorities ?? [])],
    })
  }
  const sockets = new Set<Socket>()
  const tcp = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (data: Buffer) => {
      const said = reply(data.subarray(2), 'tcp')
      if (said === null) return
      const length = Buffer.alloc(2)
      length.writeUInt16BE(said.length)
      // In two pieces: an answer need not come in one.
      socket.write(Buffer.concat([length, said.subarray(0, 5)]))
      setImmediate(() => socket.end(said.subarray(5)))
    })
  })
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', () => resolve()))
  const { port } = tcp.address() as AddressInfo
  const udp = createSocket('udp4')
  udp.on('message', (data, { port: from, address }) => {
    const said = reply(data, 'udp')
    if (said !== null) udp.send(said, from, address)
  })
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', () => resolve()))
  return {
    port,
    address: `127.0.0.1:${port}`,
    questions,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => udp.close(() => resolve()))
      await new Promise<void>((resolve) => tcp.close(() => resolve()))
    },
  }
}

/** An address record. */
export function a(name: string, data: string, ttl = 0): Answer {
  return { type: 'A', name, data, ttl }
}

/** What says how long there is nothing. */
export function soa(name: string, minimum: number, ttl = minimum): Answer {
  const data = { mname: 'ns', rname: 'root', serial: 1, refresh: 1, retry: 1, expire: 1, minimum }
  return { type: 'SOA', name, ttl, data }
}
