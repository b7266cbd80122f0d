import { RaftwayError } from '../../shared/errors.ts'

/** Where something listens. Port 0 asks the system for a free one. */
export type HostPort = { readonly host: string; readonly port: number }

/** Reads `127.0.0.1:7401`, `node1.example:7401` or `[::1]:7401`; INVALID_REQUEST for anything else. */
export function parseAddress(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535) {
    throw new RaftwayError('INVALID_REQUEST', `not an address of the form HOST:PORT: ${text}`)
  }
  return { host, port }
}

/** The text that `parseAddress` reads. */
export function formatAddress({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
