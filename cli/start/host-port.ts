import { UsageError } from '../failures.ts'

/** An address to listen on or to call. `host` carries no brackets; port 0 takes a free one. */
export type HostPort = { readonly host: string; readonly port: number }

/** Reads `HOST:PORT`, `[IPv6]:PORT`. Throws UsageError that names the option. */
export function readHostPort(option: string, text: string): HostPort {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text)
  const port = Number(parts?.[3] ?? Number.NaN)
  if (parts !== null && port <= 65_535) return { host: parts[1] ?? parts[2] ?? '', port }
  throw new UsageError(`${option} must be HOST:PORT, such as 127.0.0.1:7400, not "${text}"`)
}

/** Writes an address as `readHostPort` reads it. */
export function hostPortText({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
