import type { Socket } from 'node:net'

/** What a client says first that speaks HTTP/2, whether it was agreed on in TLS or not (RFC 9113 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/**
 * Tells, once, which HTTP a connection begins with, and what was read of it. The first read is enough, unless it is only a
 * part of the preface. No further read is looked at.
 */
export function tellProtocol(
  socket: Socket,
  told: (bytes: Buffer, isHttp2: boolean) => void,
): void {
  const look = (bytes: Buffer): void => {
    const length = Math.min(bytes.length, PREFACE.length)
    const isPreface = PREFACE.compare(bytes, 0, length, 0, length) === 0
    if (!isPreface || length === PREFACE.length) told(bytes, isPreface)
    else socket.once('data', (more: Buffer) => look(Buffer.concat([bytes, more])))
  }
  socket.once('data', look)
}
