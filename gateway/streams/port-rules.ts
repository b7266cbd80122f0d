/** Ports from one to another, both included. */
export type PortRange = { readonly from: number; readonly to: number }

/** Which ports Streams may have is for the operator of a gateway to say, not for who writes definitions. */
export type PortRules = {
  readonly allowed: readonly PortRange[]
  /** Ports that the gateway has for itself. */
  readonly own: ReadonlySet<number>
}

/** Reads `8443` or `5000-5999`; null for anything else. */
export function parsePortRange(text: string): PortRange | null {
  const parts = /^([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/.exec(text)
  if (parts === null) return null
  const from = Number(parts[1])
  const to = Number(parts[2] ?? parts[1])
  return to <= 65_535 && from <= to ? { from, to } : null
}

/** Why a port is not opened; null when it may be. */
export function whyNotOpen(port: number, { allowed, own }: PortRules): string | null {
  if (own.has(port)) return `port ${port} is one that this gateway has for itself`
  if (allowed.some(({ from, to }) => from <= port && port <= to)) return null
  if (allowed.length === 0) {
    return `port ${port} is not opened: this gateway was started without --stream-ports`
  }
  const ranges = allowed.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
  return `port ${port} is not opened: --stream-ports of this gateway says ${ranges.join(',')}`
}
