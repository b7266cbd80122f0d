import { EXPLAIN_CANDIDATES_MAX } from '../limits.ts'
import type { RoutingTable } from './draft.ts'
import { patternsOf, type CompiledStream } from './streams.ts'

/** A connection: where it comes in, and whom its client asks for; null: nobody, or no TLS. */
export type StreamQuestion = { readonly port: number; readonly serverName: string | null }

type ExplainedStream = {
  readonly stream: string
  /** The pattern that is compared: `a.example`, `*.example`, `.example`, `*`. */
  readonly host: string
  /** Why this candidate lost; empty for the one that matched. */
  readonly reason: string
}

/** The decision for one connection: the Stream that takes it, and why others of its port do not. */
export type StreamExplanation = {
  readonly matched: (ExplainedStream & { readonly port: number; readonly upstream: string }) | null
  readonly candidates: readonly ExplainedStream[]
}

/** Reads `tls://NAME:PORT` and `tcp://HOST:PORT`, of which the host does not matter; null for anything else. */
export function readStreamUrl(url: string): StreamQuestion | null {
  const parts = /^(tcp|tls):\/\/([^/?#:@\s]*|\[[0-9a-f:.]+\]):([0-9]{1,5})\/?$/i.exec(url)
  if (parts === null) return null
  const [, scheme = '', host = '', text = ''] = parts
  const port = Number(text)
  const isTls = scheme.toLowerCase() === 'tls'
  const isPort = port >= 1 && port <= 65_535
  if (!isPort || (isTls && host === '')) return null
  return { port, serverName: isTls ? host.toLowerCase().replace(/\.$/, '') : null }
}

/** The decision of `matchStream` on a port, with at most EXPLAIN_CANDIDATES_MAX losers. */
export function explainStream(
  table: RoutingTable,
  { port, serverName }: StreamQuestion,
): StreamExplanation {
  const streams = [...table.streams.values()]
    .filter((stream) => stream.port === port)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const fitting = [...patternsOf(serverName)].flatMap((host) =>
    streams.flatMap((stream) => (hasHost(stream, host) ? [{ stream, host }] : [])),
  )
  const [winner, ...later] = fitting
  const asked = serverName === null ? 'no name is asked for' : `${serverName} is another name`
  const losers = [
    ...later.map(({ stream, host }) => ({
      stream: stream.name,
      host,
      reason: `less specific: ${host} after ${winner?.host}`,
    })),
    ...streams
      .filter((stream) => fitting.every((each) => each.stream !== stream))
      .map(({ name, hosts }) => ({
        stream: name,
        host: hosts.map(({ text }) => text).join(),
        reason: asked,
      })),
  ]
  return {
    matched:
      winner === undefined
        ? null
        : {
            stream: winner.stream.name,
            host: winner.host,
            reason: '',
            port,
            upstream: winner.stream.upstreamKey,
          },
    candidates: losers.slice(0, EXPLAIN_CANDIDATES_MAX),
  }
}

function hasHost({ hosts }: CompiledStream, pattern: string): boolean {
  return hosts.some(({ text }) => text === pattern)
}
