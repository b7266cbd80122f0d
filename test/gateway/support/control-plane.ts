import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DefinitionChange } from '../../../shared/changes.ts'
import { ConfigHash } from '../../../shared/config-hash.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import type { GatewayReport, WatchLine } from '../../../shared/watch-protocol.ts'
import { until } from './until.ts'

/**
 * A small node that speaks the watch protocol over real HTTP: it keeps a config and its history, so that gateways can
 * be put in front of snapshots, changes, compaction, wrong hashes and cut connections.
 */
export class TestControlPlane {
  readonly reports: GatewayReport[] = []
  /** Queries of the watches that came, in order. */
  readonly watches: URLSearchParams[] = []
  /** What the node says of its version; null sends nothing. */
  version: string | null = null
  /** The format that the node says its lines are in; null sends nothing. */
  watchFormat: number | null = null
  /** Revisions up to and with this one cannot be resumed from. */
  compacted = 0
  /** Answers watches with this status instead. */
  refuseWith: number | null = null
  revision = 0
  #texts = new Map<string, string>()
  #history: { readonly revision: number; readonly line: string }[] = []
  readonly #open = new Set<ServerResponse>()
  #server: Server | null = null
  #port = 0

  async start(): Promise<string> {
    this.#server = createServer((request, response) => this.#answer(request, response))
    const server = this.#server
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', () => resolve()))
    this.#port = (server.address() as AddressInfo).port
    return this.url
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get watchers(): number {
    return this.#open.size
  }

  get hash(): string {
    const hash = new ConfigHash()
    for (const text of this.#texts.values()) hash.add(text)
    return hash.toHex()
  }

  /** Cuts every connection and stops listening; `start` comes back on the same port. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  /** Cuts the open watches. */
  cut(): void {
    for (const response of this.#open) response.destroy()
  }

  put(...definitions: readonly Omit<Definition, 'revision' | 'createdRevision'>[]): number {
    const revision = this.revision + 1
    return this.commit(
      definitions.map((definition) => {
        const whole = { ...definition, revision, createdRevision: revision } as Definition
        return { op: 'put', definition: whole }
      }),
    )
  }

  delete(kind: 'Api' | 'Upstream', name: string): number {
    return this.commit([{ op: 'delete', kind, name }])
  }

  /** One revision; `hash` in place of the right one. */
  commit(changes: readonly DefinitionChange[], hash?: string): number {
    this.revision += 1
    for (const change of changes) {
      if (change.op === 'delete') this.#texts.delete(`${change.kind}/${change.name}`)
      else {
        const { definition } = change
        this.#texts.set(`${definition.kind}/${definition.name}`, JSON.stringify(definition))
      }
    }
    const { revision } = this
    const line = JSON.stringify({ type: 'change', revision, hash: hash ?? this.hash, changes })
    this.#history.push({ revision, line })
    for (const response of this.#open) response.write(`${line}\n`)
    return revision
  }

  /** Says a line to every watch. */
  say(line: WatchLine): void {
    for (const response of this.#open) response.write(`${JSON.stringify(line)}\n`)
  }

  /** Waits until a gateway has reported a revision. */
  async reported(revision: number): Promise<GatewayReport> {
    return until(`a report of revision ${revision}`, () => {
      const last = this.reports.at(-1)
      return last !== undefined && last.revision >= revision ? last : null
    })
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url)
    if (url.pathname === '/v1/watch') {
      this.#watch(url.searchParams, response)
      return
    }
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      this.reports.push(JSON.parse(Buffer.concat(pieces).toString()) as GatewayReport)
      response.end('{}')
    })
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    this.watches.push(query)
    if (this.refuseWith !== null) {
      response.writeHead(this.refuseWith)
      response.end('{"code":"NO_LEADER"}')
      return
    }
    const headers = this.version === null ? {} : { 'Raftway-Version': this.version }
    const format = this.watchFormat === null ? {} : { 'Raftway-Watch-Format': this.watchFormat }
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', ...headers, ...format })
    response.flushHeaders()
    response.on('close', () => this.#open.delete(response))
    this.#open.add(response)
    const from = query.get('from')
    const isKnown = from !== null && Number(from) >= this.compacted && Number(from) <= this.revision
    if (isKnown) {
      for (const { revision, line } of this.#history) {
        if (revision > Number(from)) response.write(`${line}\n`)
      }
      response.write(`${JSON.stringify({ type: 'bookmark', revision: this.revision })}\n`)
      return
    }
    const { revision, hash } = this
    if (from !== null) response.write(`${JSON.stringify({ type: 'compacted', revision })}\n`)
    const count = this.#texts.size
    response.write(`${JSON.stringify({ type: 'snapshot', revision, count })}\n`)
    for (const text of this.#texts.values()) {
      response.write(`{"type":"definition","definition":${text}}\n`)
    }
    response.write(`${JSON.stringify({ type: 'snapshot-end', revision, hash })}\n`)
  }
}
