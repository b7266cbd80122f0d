import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions as HttpOptions,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { RaftwayError } from '../../shared/errors.ts'
import {
  API_CLOSE_MS_MAX,
  API_CONNECTIONS_MAX,
  API_FAST_BODY_BYTES_MAX,
  API_HEAD_BYTES_MAX,
  API_HEADERS_MS_MAX,
  API_REQUEST_MS_MAX,
  ELECTION_MS_DEFAULT,
} from '../../shared/limits.ts'
import type { SealKeys } from '../../shared/definitions/seal.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { ControlPlane, ScrubReport } from '../ports.ts'
import { createApp, createHotCalls } from './app.ts'
import { isTooLarge } from './body.ts'
import { DEFAULT_BOUNDS, type ApiBounds, type ApiContext } from './context.ts'
import type { CertificateDesk } from './enrolment.ts'
import { CountExchange } from './count-exchange.ts'
import { Forwarder, isForwarded } from './forward.ts'
import { Front } from './front.ts'
import { Gate, OPEN_ACCESS, type AccessOptions } from './gate.ts'
import { GatewayRegistry } from './gateway-registry.ts'
import { metricsSource } from './health.ts'
import { LeaderClient } from './leader-client.ts'
import { Metrics } from './metrics.ts'
import { problemOf } from './problem.ts'
import { QuotaAlerts } from './quota-alerts.ts'
import { RolloutBoard } from './rollout.ts'
import { ClientCertificates, createTlsServer, type ApiTls } from './tls.ts'
import { WatchHub } from './watch-hub.ts'

const TCP_KEEP_ALIVE_MS = 10_000
const CLOSE_SWEEP_MS = 20
const NOT_SCRUBBED: ScrubReport = { bytes: 0, passes: 0, damages: 0, isDamaged: false }

export type ApiOptions = {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  readonly plane: ControlPlane
  readonly clock: Clock
  readonly logger: Logger
  readonly version: string
  /** Shortest election timeout of the cluster: a call looks for a leader for two of them, at least a second. */
  readonly electionMs?: number
  readonly bounds?: Partial<ApiBounds>
  /** How strict the door is; left out, it is open. */
  readonly access?: Omit<AccessOptions, 'peerOf'> & Partial<Pick<AccessOptions, 'peerOf'>>
  /** Issues certificates; goes with `tls`. */
  readonly desk?: CertificateDesk
  /** Left out: plain HTTP. */
  readonly tls?: ApiTls
  /** What seals secrets; left out, definitions with secrets are refused. */
  readonly sealKeys?: SealKeys
  /** What reading the node's data again has come to; null while it does not. */
  readonly scrub?: () => ScrubReport | null
}

/** A node's HTTP API while it listens. */
export type ApiServer = {
  /** `http://127.0.0.1:7400`, or https */
  readonly url: string
  readonly port: number
  /** From now on it is not ready, takes no watches, and asks callers to connect elsewhere; it still serves them. */
  drain(): void
  /** Ends watches with the reason, answers what is under way, and closes every connection. */
  close(): Promise<void>
}

/**
 * Starts the HTTP API of one node (DESIGN 9.3). Resolves when it listens; rejects with the system's error when the
 * address cannot be had. The plane stays the caller's.
 */
export async function startApi(options: ApiOptions): Promise<ApiServer> {
  const room = createRoom(options)
  const { api } = room
  const app = createApp(api)
  const server = listenerFor(options.tls ?? null, {
    maxHeaderSize: API_HEAD_BYTES_MAX,
    headersTimeout: API_HEADERS_MS_MAX,
    requestTimeout: API_REQUEST_MS_MAX,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
  })
  server.maxConnections = API_CONNECTIONS_MAX
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    // A caller that connects anew for its next call finds another node. Other nodes know by themselves.
    if (api.isStopping() && !isForwarded(request)) response.shouldKeepAlive = false
    app(request, response)
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // A client that asks first is told of a body that is too large before it sends any of it.
    if (!isTooLarge(request, api.bounds.bodyBytesMax)) response.writeContinue()
    server.emit('request', request, response)
  })
  const hot = createHotCalls(api)
  const front = new Front({
    server,
    bodyBytesMax: Math.min(api.bounds.bodyBytesMax, API_FAST_BODY_BYTES_MAX),
    // It cannot ask callers to connect elsewhere.
    takes: (request) => !api.isStopping() && hot.takes(request),
    serve: (request, response) => hot.serve(request, response),
  })
  room.certificates?.follow(server)
  server.on('clientError', (error, socket) => {
    if (!socket.writable) return
    socket.end(refusalOfMalformed(error, api.plane.state.revision))
  })
  try {
    await listen(server, options)
  } catch (error) {
    await room.close()
    throw error
  }
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  let closing: Promise<void> | null = null
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    port,
    drain: () => room.drain(),
    close() {
      closing ??= closeAll({ server, front, room })
      return closing
    },
  }
}

type Room = {
  readonly api: ApiContext
  readonly certificates: ClientCertificates | null
  drain(): void
  stop(): void
  close(): Promise<void>
}

function createRoom(options: ApiOptions): Room {
  const { plane, clock, logger, version, electionMs = ELECTION_MS_DEFAULT } = options
  const bounds = { ...DEFAULT_BOUNDS, ...options.bounds }
  let isStopping = false
  let isClosed = false
  const metrics: Metrics = new Metrics(() => metricsSource(api))
  const certificates =
    options.tls === undefined ? null : new ClientCertificates(options.tls, options)
  const gate = new Gate(plane, clock, {
    ...OPEN_ACCESS,
    ...options.access,
    ...(certificates === null ? {} : { peerOf: (request) => certificates.peerOf(request) }),
  })
  const hub = new WatchHub({ plane, clock, logger, bounds, metrics })
  const hashAt = (revision: number): string | null => hub.recent.hashAt(revision)
  const gateways = new GatewayRegistry({ plane, logger, hashAt })
  const rollouts = new RolloutBoard({ gateways, hashAt })
  const alerts = new QuotaAlerts({ plane, clock, logger })
  const counts = new CountExchange({ plane, clock })
  const patienceMs = Math.max(1_000, 2 * electionMs)
  const port = new LeaderClient(options.tls ?? null, clock)
  const forwarder = new Forwarder({
    plane,
    clock,
    port,
    metrics,
    logger,
    patienceMs,
    isMutual: options.tls !== undefined,
  })
  const api: ApiContext = {
    plane,
    clock,
    logger,
    version,
    bounds,
    patienceMs,
    gate,
    desk: options.desk ?? null,
    sealKeys: options.sealKeys ?? [],
    hub,
    gateways,
    rollouts,
    forwarder,
    counts,
    metrics,
    scrub: () => options.scrub?.() ?? NOT_SCRUBBED,
    isStopping: () => isStopping,
    isClosed: () => isClosed,
  }
  return {
    api,
    certificates,
    drain() {
      isStopping = true
    },
    stop() {
      isStopping = true
      isClosed = true
      for (const each of [gate, hub, rollouts, gateways, alerts, counts]) each.close()
    },
    async close() {
      this.stop()
      await forwarder.close()
      metrics.close()
    },
  }
}

function listenerFor(tls: ApiTls | null, options: HttpOptions): Server {
  return tls === null ? createServer(options) : createTlsServer(options, tls)
}

function listen(server: Server, options: ApiOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(options.port, options.host, () => {
    server.off('error', reject)
    resolve()
  })
  return promise
}

async function closeAll({
  server,
  front,
  room,
}: {
  readonly server: Server
  readonly front: Front
  readonly room: Room
}): Promise<void> {
  const closeIdle = (): void => {
    server.closeIdleConnections()
    front.closeIdleConnections()
  }
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  room.stop()
  closeIdle()
  // A connection whose last answer is on its way becomes idle a little later.
  const sweep = setInterval(closeIdle, CLOSE_SWEEP_MS)
  const timer = setTimeout(() => {
    server.closeAllConnections()
    front.closeAllConnections()
  }, API_CLOSE_MS_MAX)
  await closed
  clearInterval(sweep)
  clearTimeout(timer)
  await room.close()
}

/** What the parser of HTTP refuses never becomes a request, so its answer is written by hand. */
function refusalOfMalformed(error: Error & { readonly code?: string }, revision: number): string {
  const document = problemOf(malformed(error.code))
  const text = JSON.stringify(document)
  const head = [
    `HTTP/1.1 ${document.status} ${document.title}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    `Raftway-Revision: ${revision}`,
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${text}`
}

function malformed(code: string | undefined): RaftwayError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = `A request head may have ${API_HEAD_BYTES_MAX} bytes (API_HEAD_BYTES_MAX).`
    return new RaftwayError('HEAD_TOO_LARGE', detail)
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new RaftwayError('REQUEST_TIMEOUT', 'The request took too long to arrive.')
  }
  return new RaftwayError('BAD_REQUEST', 'The request is not HTTP/1.1.')
}
