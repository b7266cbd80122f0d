// A DNS server as small as a test needs: A, AAAA and SRV over UDP on loopback, from records that the test changes.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'

const TYPE = { A: 1, AAAA: 28, SRV: 33 } as const

export class DnsServer {
  /** Addresses by host name. */
  readonly hosts = new Map<string, readonly string[]>()
  readonly services = new Map<string, readonly { readonly name: string; readonly port: number }[]>()
  asked = 0
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (query, from) => {
      this.asked++
      socket.send(this.#answer(query), from.port, from.address)
    })
  }

  static async open(): Promise<DnsServer> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new DnsServer(socket)
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  close(): void {
    this.#socket.close()
  }

  /** RFC 1035 4.1: header, the question as it came, and what is known about it. */
  #answer(query: Buffer): Buffer {
    const { name, end } = readName(query, 12)
    const type = query.readUInt16BE(end)
    const records = this.#records(name, type)
    const isKnown = this.hosts.has(name) || this.services.has(name)
    const head = Buffer.from(query.subarray(0, 12))
    // A response, authoritative, recursion as asked; name error if nothing of that name exists.
    head.writeUInt16BE(0x8580 | (isKnown ? 0 : 3), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(records.length, 6)
    head.writeUInt32BE(0, 8)
    const body = records.map((data) => {
      const fields = Buffer.alloc(12)
      // A pointer to the name of the question; class IN; nothing may be remembered.
      fields.writeUInt16BE(0xc00c, 0)
      fields.writeUInt16BE(type, 2)
      fields.writeUInt16BE(1, 4)
      fields.writeUInt16BE(data.length, 10)
      return Buffer.concat([fields, data])
    })
    return Buffer.concat([head, query.subarray(12, end + 4), ...body])
  }

  #records(name: string, type: number): readonly Buffer[] {
    if (type === TYPE.SRV) {
      return (this.services.get(name) ?? []).map((service) => {
        const fields = Buffer.alloc(6)
        fields.writeUInt16BE(service.port, 4)
        return Buffer.concat([fields, writeName(service.name)])
      })
    }
    const wanted = (this.hosts.get(name) ?? []).filter(
      (address) => (type === TYPE.A) === isIPv4(address) && (type === TYPE.A || type === TYPE.AAAA),
    )
    return wanted.map(addressBytes)
  }
}

function readName(bytes: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = []
  let at = start
  for (let size = bytes[at] ?? 0; size > 0; size = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + size))
    at += size + 1
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

function writeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]))
  return Buffer.concat([...labels, Buffer.from([0])])
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [left = '', right = ''] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const zeros = Array.from({ length: 8 - groups(left).length - groups(right).length }, () => '0')
  const all = address.includes('::') ? [...groups(left), ...zeros, ...groups(right)] : groups(left)
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}
