import { createHash } from 'node:crypto'

/** RFC 6455 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Whether an Upgrade field asks for what HTTP/2 has a stream for (RFC 8441 4): WebSocket, and nothing beside it. */
export function isWebSocket(upgrade: string): boolean {
  return upgrade.trim().toLowerCase() === 'websocket'
}

/**
 * Takes the key of a handshake out of a list of names and values, as on HTTP/2 nobody answers it (RFC 8441 5). Null: there is
 * none. The first one, if somebody sent several.
 */
export function takeKey(fields: string[]): string | null {
  let key: string | null = null
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    if (fields[i] !== 'sec-websocket-key') continue
    key = fields[i + 1] ?? ''
    fields.splice(i, 2)
  }
  return key
}

/** What a client of HTTP/1.1 awaits as the answer to its key (RFC 6455 4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64')
}
