import type { Exchange } from './exchange.ts'
import type { Reply } from './reply.ts'

const HTTPS_PORT = 443

/** What a client would ask for over https; `port` is where it is listened, null: by somebody else, on 443. */
export function httpsUrl(
  { host, path, query }: Pick<Exchange, 'host' | 'path' | 'query'>,
  port: number | null,
): string {
  const name = host.includes(':') ? `[${host}]` : host
  const place = port === null || port === HTTPS_PORT ? name : `${name}:${port}`
  return `https://${place}${path}${query === '' ? '' : `?${query}`}`
}

/** Sends a client to the same URL over https. Only GET and HEAD may become a GET (RFC 9110 15.4.2, 15.4.9). */
export function httpsRedirect(exchange: Exchange, port: number | null): Reply {
  const { method } = exchange
  return {
    status: method === 'GET' || method === 'HEAD' ? 301 : 308,
    lines: `Location: ${httpsUrl(exchange, port)}\r\n`,
    body: Buffer.alloc(0),
    code: null,
  }
}
