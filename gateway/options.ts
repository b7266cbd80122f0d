import { availableParallelism } from 'node:os'
import type { SealKeys } from '../shared/definitions/seal.ts'
import { RaftwayError, type Issue } from '../shared/errors.ts'
import {
  CONTROL_URLS_MAX,
  DRAIN_MS_DEFAULT,
  HOST_CHARS_MAX,
  LABEL_CHARS_MAX,
  LABELS_MAX,
  ROUTE_DRAIN_MS_DEFAULT,
  LIMIT_COUNTERS_DEFAULT,
  LIMIT_COUNTERS_MAX,
  LIMIT_COUNTERS_MIN,
  TIMEOUT_MS_MAX,
  URL_CHARS_MAX,
  WORKERS_MAX,
} from '../shared/limits.ts'
import { readClientOptions, type ClientBounds, type ClientOptions } from './client-bounds.ts'
import { readNetworkOptions, type NetworkOptions, type NetworkSettings } from './network-options.ts'
import { METRICS_LEVELS, type MetricsLevel } from './metrics/slots.ts'
import type { TraceSettings } from './tracing/settings.ts'
import { readRecordOptions, type RecordOptions, type RecordPlan } from './record-options.ts'

/** What starts a gateway, as a command line or a test gives it. */
export type GatewayOptions = {
  /** As control-plane nodes list it: a host name, or anything of letters, digits, `.`, `_` and `-`. */
  readonly name: string
  /** API urls of control-plane nodes, tried in turn. May be empty only with `definitionsDir`. */
  readonly controlUrls: readonly string[]
  /** What proves to nodes that this is a gateway; null for open control planes. Never logged. */
  readonly token?: string | null
  /** PEM: whom to believe over https; null: the cluster authority of the token, or whom the system believes. */
  readonly ca?: string | null
  /** `HOST:PORT` for traffic; port 0 takes a free one. Default `0.0.0.0:8080`. */
  readonly http?: string
  /** `HOST:PORT` of the status port; port 0 takes a free one. Default `127.0.0.1:8081`. */
  readonly status?: string
  /** Directory of the last-good file; made if it is missing. */
  readonly dataDir: string
  /** Worker threads; default one a core. */
  readonly workers?: number | undefined
  /** What nodes show beside the name. */
  readonly labels?: Readonly<Record<string, string>>
  /** Serve these definition files and no control plane at all. */
  readonly definitionsDir?: string | null
  /** How long a stop waits for requests under way. Default 30000. */
  readonly drainMs?: number
  /** A worker whose event loop is later than this sheds load. Default 0: it never does. */
  readonly shedLateMs?: number
  /** How long a request may go on after its route is taken out of the config. Default 30000. */
  readonly routeDrainMs?: number
  /** Start although another gateway listens on the same port, to take over from it. Default false. */
  readonly sharesPort?: boolean
  /** `HOST:PORT` for TLS traffic; port 0 takes a free one. Default none. */
  readonly https?: string | null
  /** Keys that open the keys of Certificates, as nodes sealed them. Default none. */
  readonly sealKeys?: SealKeys
  /** What is counted. Default `full`. */
  readonly metrics?: MetricsLevel
  /** Counters of rate limits that there is room for. Default 262144. */
  readonly limitCounters?: number
  /** Where spans are posted as OTLP in JSON, such as `http://127.0.0.1:4318`; default nowhere. */
  readonly otlp?: string | null
  /** Share of the traces that begin here and are recorded. Default 1. */
  readonly otlpSample?: number
  /** Access records; default none. */
  readonly records?: RecordOptions
  /** Who stands in front; default nobody that is believed. */
  readonly network?: NetworkOptions
  /** What a client may cost; default as in USUAL_CLIENTS. */
  readonly clients?: ClientOptions
}

export type { ClientOptions, NetworkOptions, RecordOptions }

/** A host and a port apart. `host` carries no brackets. */
export type Address = { readonly host: string; readonly port: number }

/** Options checked and filled in. */
export type GatewaySettings = {
  readonly name: string
  readonly controlUrls: readonly string[]
  readonly token: string | null
  readonly ca: string | null
  readonly http: Address
  readonly https: Address | null
  readonly sealKeys: SealKeys
  readonly status: Address
  readonly dataDir: string
  readonly workers: number
  readonly labels: Readonly<Record<string, string>>
  readonly definitionsDir: string | null
  readonly drainMs: number
  readonly shedLateMs: number
  readonly routeDrainMs: number
  readonly sharesPort: boolean
  readonly metrics: MetricsLevel
  readonly limitCounters: number
  readonly records: RecordPlan | null
  readonly traces: TraceSettings | null
  readonly network: NetworkSettings
  readonly clients: ClientBounds
}

const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/

/**
 * Checks options and fills in defaults. Throws INVALID_REQUEST with every issue at once, each under the option's name.
 * Written out by hand rather than as a zod schema: loading zod would cost an idle gateway a sixth of its memory.
 */
export function readGatewayOptions(options: GatewayOptions): GatewaySettings {
  const issues: Issue[] = []
  const settings: GatewaySettings = {
    name: readName(options.name, issues),
    controlUrls: readControlUrls(options, issues),
    token: options.token ?? null,
    ca: options.ca ?? null,
    http: readAddress('http', options.http ?? '0.0.0.0:8080', issues),
    https:
      options.https === undefined || options.https === null
        ? null
        : readAddress('https', options.https, issues),
    sealKeys: options.sealKeys ?? [],
    status: readAddress('status', options.status ?? '127.0.0.1:8081', issues),
    dataDir: readText('dataDir', options.dataDir, issues),
    workers: readWorkers(options.workers, issues),
    labels: readLabels(options.labels ?? {}, issues),
    definitionsDir: options.definitionsDir ?? null,
    shedLateMs: readMs('shedLateMs', options.shedLateMs ?? 0, issues),
    drainMs: readMs('drainMs', options.drainMs ?? DRAIN_MS_DEFAULT, issues),
    routeDrainMs: readMs('routeDrainMs', options.routeDrainMs ?? ROUTE_DRAIN_MS_DEFAULT, issues),
    sharesPort: options.sharesPort ?? false,
    metrics: readMetricsLevel(options.metrics ?? 'full', issues),
    limitCounters: readLimitCounters(options.limitCounters ?? LIMIT_COUNTERS_DEFAULT, issues),
    records: readRecordOptions(options.name, options.records ?? {}, issues),
    traces: readTraceOptions(options, issues),
    network: readNetworkOptions(options.network ?? {}, issues),
    clients: readClientOptions(options.clients ?? {}, issues),
  }
  if (issues.length > 0) {
    const text = issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ')
    throw new RaftwayError('INVALID_REQUEST', `gateway options: ${text}`, { issues })
  }
  return settings
}

function readName(name: unknown, issues: Issue[]): string {
  if (typeof name === 'string' && name.length <= HOST_CHARS_MAX && NAME.test(name)) return name
  const message = `must be 1 to ${HOST_CHARS_MAX} letters, digits, ".", "_" and "-" (HOST_CHARS_MAX)`
  issues.push({ path: 'name', message })
  return ''
}

function readText(path: string, text: unknown, issues: Issue[]): string {
  if (typeof text === 'string' && text !== '') return text
  issues.push({ path, message: 'is required' })
  return ''
}

function readControlUrls(options: GatewayOptions, issues: Issue[]): readonly string[] {
  const { controlUrls, definitionsDir } = options
  const hasDirectory = definitionsDir !== undefined && definitionsDir !== null
  if (controlUrls.length === 0 && !hasDirectory) {
    issues.push({
      path: 'controlUrls',
      message: 'name at least one control-plane url, or a definitions directory',
    })
  }
  if (controlUrls.length > 0 && hasDirectory) {
    issues.push({
      path: 'definitionsDir',
      message: 'is for a gateway without a control plane; leave out one of the two',
    })
  }
  if (controlUrls.length > CONTROL_URLS_MAX) {
    issues.push({ path: 'controlUrls', message: `at most ${CONTROL_URLS_MAX} (CONTROL_URLS_MAX)` })
  }
  return controlUrls.map((text, at) => {
    const url = text.length > URL_CHARS_MAX ? null : URL.parse(text)
    const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
    const isBare = url?.pathname === '/' && url.search === '' && url.hash === ''
    if (url !== null && isHttp && isBare) return url.origin
    const message = `must be http:// or https://, a host and an optional port: ${text}`
    issues.push({ path: `controlUrls.${at}`, message })
    return ''
  })
}

function readAddress(path: string, text: string, issues: Issue[]): Address {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text)
  const port = Number(parts?.[3] ?? Number.NaN)
  if (parts !== null && port <= 65_535) return { host: parts[1] ?? parts[2] ?? '', port }
  issues.push({ path, message: `must be HOST:PORT, such as 127.0.0.1:8080: ${text}` })
  return { host: '', port: 0 }
}

function readWorkers(workers: number | undefined, issues: Issue[]): number {
  if (workers === undefined) return Math.min(availableParallelism(), WORKERS_MAX)
  if (Number.isInteger(workers) && workers >= 1 && workers <= WORKERS_MAX) return workers
  issues.push({ path: 'workers', message: `must be 1 to ${WORKERS_MAX} (WORKERS_MAX)` })
  return 1
}

function readLabels(
  labels: Readonly<Record<string, string>>,
  issues: Issue[],
): Readonly<Record<string, string>> {
  if (Object.keys(labels).length > LABELS_MAX) {
    issues.push({ path: 'labels', message: `at most ${LABELS_MAX} labels (LABELS_MAX)` })
  }
  for (const [key, value] of Object.entries(labels)) {
    if (key !== '' && key.length <= LABEL_CHARS_MAX && value.length <= LABEL_CHARS_MAX) continue
    const message = `key and value may have ${LABEL_CHARS_MAX} characters (LABEL_CHARS_MAX)`
    issues.push({ path: `labels.${key}`, message })
  }
  return labels
}

/** A collector takes spans at `/v1/traces` unless the url says where. */
function readTraceOptions(options: GatewayOptions, issues: Issue[]): TraceSettings | null {
  const { name, otlp = null, otlpSample = 1 } = options
  if (!(otlpSample >= 0 && otlpSample <= 1)) {
    issues.push({ path: 'otlpSample', message: 'must be 0 to 1' })
  }
  if (otlp === null) return null
  const url = otlp.length > URL_CHARS_MAX ? null : URL.parse(otlp)
  const isGood =
    url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.hash === ''
  if (!isGood) {
    const message = 'must be an http:// or https:// url, such as http://127.0.0.1:4318'
    issues.push({ path: 'otlp', message })
    return null
  }
  if (url.pathname === '/') url.pathname = '/v1/traces'
  return { gateway: name, url: url.href, sample: otlpSample }
}

function readMetricsLevel(level: MetricsLevel, issues: Issue[]): MetricsLevel {
  if (METRICS_LEVELS.includes(level)) return level
  issues.push({ path: 'metrics', message: `must be one of ${METRICS_LEVELS.join(', ')}` })
  return 'full'
}

function readLimitCounters(counters: number, issues: Issue[]): number {
  const isGood =
    Number.isInteger(counters) && counters >= LIMIT_COUNTERS_MIN && counters <= LIMIT_COUNTERS_MAX
  if (isGood) return counters
  const bounds = `${LIMIT_COUNTERS_MIN} to ${LIMIT_COUNTERS_MAX} (LIMIT_COUNTERS_MAX)`
  issues.push({ path: 'limitCounters', message: `must be ${bounds}` })
  return LIMIT_COUNTERS_DEFAULT
}

function readMs(path: string, ms: number, issues: Issue[]): number {
  if (Number.isInteger(ms) && ms >= 0 && ms <= TIMEOUT_MS_MAX) return ms
  issues.push({ path, message: `must be 0 to ${TIMEOUT_MS_MAX} milliseconds (TIMEOUT_MS_MAX)` })
  return 0
}
