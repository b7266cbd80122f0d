import { definitionKey } from '../changes.ts'
import type { StreamProxyHeader } from '../definitions/stream.ts'
import type { Definition } from '../definitions/kinds.ts'
import { STREAM_CONNECTIONS_MAX, STREAM_IDLE_MS_DEFAULT, STREAMS_PER_PORT_MAX } from '../limits.ts'
import { compileUpstream } from './compile-upstream.ts'
import { ANY_HOST, parseHost, type HostPattern } from './hosts.ts'
import { sameJson } from './same-json.ts'
import type { CompiledUpstream, CompileIssue } from './types.ts'

export type StreamDefinition = Extract<Definition, { kind: 'Stream' }>

/** A Stream ready to be used. Immutable; a connection keeps the one that it began with. */
export type CompiledStream = {
  readonly name: string
  readonly port: number
  /** Never empty; `any` alone when the Stream names nobody. */
  readonly hosts: readonly HostPattern[]
  /** Key into the table's upstreams. */
  readonly upstreamKey: string
  /** Written here; null when another definition has it. */
  readonly inline: CompiledUpstream | null
  readonly proxyProtocol: StreamProxyHeader
  readonly acceptsProxyProtocol: boolean
  readonly idleMs: number
  readonly connectionsMax: number
  readonly definition: StreamDefinition
}

/** The Streams of one port, told apart by the names that clients ask for. */
export type StreamPort = {
  readonly port: number
  readonly acceptsProxyProtocol: boolean
  /** Some of its Streams name hosts: what a client asks for must be known. */
  readonly needsName: boolean
  /** By the text of a host pattern: `a.example`, `*.example`, `.example`, `*`. */
  readonly byHost: ReadonlyMap<string, CompiledStream>
}

/** The Stream of a definition; the same object as `before` when nothing that counts differs. */
export function compileStream(
  definition: StreamDefinition,
  before: CompiledStream | undefined,
): CompiledStream {
  const { name, spec } = definition
  if (before !== undefined && sameJson(before.definition.spec, spec)) return before
  const key = definitionKey('Stream', name)
  const { upstream } = spec
  const isNamed = typeof upstream === 'string'
  const old = before?.inline ?? null
  const isSame = old !== null && !isNamed && sameJson(old.spec, upstream)
  const inline = isNamed ? null : isSame ? old : compileUpstream(key, upstream)
  return {
    name,
    port: spec.port,
    hosts: spec.sni === undefined ? ANY_HOSTS : spec.sni.map(parseHost),
    upstreamKey: isNamed ? definitionKey('Upstream', upstream) : key,
    inline,
    proxyProtocol: spec.proxyProtocol ?? 'none',
    acceptsProxyProtocol: spec.acceptProxyProtocol ?? false,
    idleMs: spec.idleMs ?? STREAM_IDLE_MS_DEFAULT,
    connectionsMax: spec.connectionsMax ?? STREAM_CONNECTIONS_MAX,
    definition,
  }
}

const ANY_HOSTS: readonly HostPattern[] = [ANY_HOST]

/** What is wrong with a Stream by itself: a name that it has twice. */
export function issuesOfStream({ name, hosts }: CompiledStream): readonly CompileIssue[] {
  const seen = new Set<string>()
  return hosts.flatMap(({ text }, at) => {
    const isSecond = seen.has(text)
    seen.add(text)
    if (!isSecond) return []
    const message = `names the host ${text} a second time`
    return [{ kind: 'Stream', name, path: `spec.sni.${at}`, message } as const]
  })
}

/** Why a Stream cannot share its port with the others there; empty when it can. */
export function conflictsOf(
  stream: CompiledStream,
  others: readonly CompiledStream[],
): readonly CompileIssue[] {
  const issues: CompileIssue[] = []
  const add = (path: string, message: string): void => {
    issues.push({ kind: 'Stream', name: stream.name, path: `spec.${path}`, message })
  }
  if (others.length >= STREAMS_PER_PORT_MAX) {
    add('port', `at most ${STREAMS_PER_PORT_MAX} Streams on a port (STREAMS_PER_PORT_MAX)`)
  }
  const taken = hostsOf(others)
  for (const [at, { text }] of stream.hosts.entries()) {
    const other = taken.get(text)
    if (other === undefined) continue
    if (text === ANY_HOST.text) {
      add(
        'port',
        `Stream "${other.name}" takes port ${stream.port} without sni, too: one must name hosts`,
      )
    } else add(`sni.${at}`, `is taken on port ${stream.port} by Stream "${other.name}"`)
  }
  const differing = others.find(
    (other) => other.acceptsProxyProtocol !== stream.acceptsProxyProtocol,
  )
  if (differing !== undefined) {
    const message = `must be as Stream "${differing.name}" has it, which is on the same port`
    add('acceptProxyProtocol', message)
  }
  return issues
}

/** What a listener on a port needs to know; Streams that conflict with earlier ones are left out. */
export function streamPort(port: number, streams: readonly CompiledStream[]): StreamPort {
  const byHost = hostsOf(streams)
  return {
    port,
    acceptsProxyProtocol: streams[0]?.acceptsProxyProtocol ?? false,
    needsName: [...byHost.keys()].some((text) => text !== ANY_HOST.text),
    byHost,
  }
}

function hostsOf(streams: readonly CompiledStream[]): ReadonlyMap<string, CompiledStream> {
  const byHost = new Map<string, CompiledStream>()
  for (const stream of streams) {
    for (const { text } of stream.hosts) if (!byHost.has(text)) byHost.set(text, stream)
  }
  return byHost
}

/**
 * The Stream for a connection: exact name, then the longest name above it, then any. `serverName` is lower case; null when
 * the client asked for nobody, or speaks no TLS.
 */
export function matchStream(port: StreamPort, serverName: string | null): CompiledStream | null {
  for (const pattern of patternsOf(serverName)) {
    const stream = port.byHost.get(pattern)
    if (stream !== undefined) return stream
  }
  return null
}

/** The patterns that take a name, the most specific first, as hosts of Apis have it. */
export function* patternsOf(serverName: string | null): Generator<string> {
  if (serverName !== null) {
    yield serverName
    yield `.${serverName}`
    for (let dot = serverName.indexOf('.'); dot !== -1; dot = serverName.indexOf('.', dot + 1)) {
      const above = serverName.slice(dot + 1)
      yield `*.${above}`
      yield `.${above}`
    }
  }
  yield ANY_HOST.text
}
