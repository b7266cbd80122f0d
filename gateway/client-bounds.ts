import type { Issue } from '../shared/errors.ts'
import {
  CLIENT_BODY_RATE_BOUND_MAX,
  CLIENT_BODY_RATE_MIN,
  CLIENT_CONNECTIONS_BOUND_MAX,
  CLIENT_CONNECTIONS_MAX,
  CLIENT_CONNECTIONS_PER_ADDRESS_MAX,
  CLIENT_HEAD_MS_MAX,
  CLIENT_IDLE_MS_MAX,
  CLIENT_KEEP_ALIVE_MS,
  CLIENT_REQUESTS_BOUND_MAX,
  CLIENT_REQUESTS_PER_CONNECTION_MAX,
  HEAD_BYTES_BOUND_MAX,
  HEAD_BYTES_MAX,
  HEAD_FIELDS_BOUND_MAX,
  HEAD_FIELDS_MAX,
  TARGET_LINE_BYTES_BOUND_MAX,
  TARGET_LINE_BYTES_MAX,
  TIMEOUT_MS_MAX,
} from '../shared/limits.ts'

/** What a client may cost a gateway. Goes from thread to thread, so plain data. */
export type ClientBounds = {
  /** For a whole request head, from its first byte or from the beginning of the connection on. */
  readonly headMs: number
  /** How long a client may be silent, or take nothing, while the gateway waits for it. */
  readonly idleMs: number
  /** Bytes of a request body a second, on average over `idleMs`; fewer are silence. 0: any byte counts. */
  readonly bodyRateMin: number
  /** How long a connection without a request stays open. */
  readonly keepAliveMs: number
  /** Requests on one connection; it closes with the answer to the last one. */
  readonly requestsMax: number
  /** Connections at a time, of all clients to all workers. */
  readonly connectionsMax: number
  /** Connections at a time, of one client address to one worker. */
  readonly connectionsPerAddressMax: number
  readonly headBytesMax: number
  readonly headFieldsMax: number
  readonly targetBytesMax: number
}

/** As a command line or a test gives it; what is left out is as in `USUAL_CLIENTS`. */
export type ClientOptions = { readonly [K in keyof ClientBounds]?: number | undefined }

export const USUAL_CLIENTS: ClientBounds = {
  headMs: CLIENT_HEAD_MS_MAX,
  idleMs: CLIENT_IDLE_MS_MAX,
  bodyRateMin: CLIENT_BODY_RATE_MIN,
  keepAliveMs: CLIENT_KEEP_ALIVE_MS,
  requestsMax: CLIENT_REQUESTS_PER_CONNECTION_MAX,
  connectionsMax: CLIENT_CONNECTIONS_MAX,
  connectionsPerAddressMax: CLIENT_CONNECTIONS_PER_ADDRESS_MAX,
  headBytesMax: HEAD_BYTES_MAX,
  headFieldsMax: HEAD_FIELDS_MAX,
  targetBytesMax: TARGET_LINE_BYTES_MAX,
}

/** The least and the most that each may be. */
const RANGES: { readonly [K in keyof ClientBounds]: readonly [number, number] } = {
  headMs: [1, TIMEOUT_MS_MAX],
  idleMs: [1, TIMEOUT_MS_MAX],
  bodyRateMin: [0, CLIENT_BODY_RATE_BOUND_MAX],
  keepAliveMs: [1, TIMEOUT_MS_MAX],
  requestsMax: [1, CLIENT_REQUESTS_BOUND_MAX],
  connectionsMax: [1, CLIENT_CONNECTIONS_BOUND_MAX],
  connectionsPerAddressMax: [1, CLIENT_CONNECTIONS_BOUND_MAX],
  headBytesMax: [1_024, HEAD_BYTES_BOUND_MAX],
  headFieldsMax: [8, HEAD_FIELDS_BOUND_MAX],
  targetBytesMax: [256, TARGET_LINE_BYTES_BOUND_MAX],
}

/** Checks and fills in; what is wrong is added to `issues`, under `clients`. */
export function readClientOptions(options: ClientOptions, issues: Issue[]): ClientBounds {
  const read = (name: keyof ClientBounds): number => {
    const value = options[name] ?? USUAL_CLIENTS[name]
    const [min, max] = RANGES[name]
    if (Number.isInteger(value) && value >= min && value <= max) return value
    issues.push({ path: `clients.${name}`, message: `must be ${min} to ${max}: ${value}` })
    return USUAL_CLIENTS[name]
  }
  const bounds: ClientBounds = {
    headMs: read('headMs'),
    idleMs: read('idleMs'),
    bodyRateMin: read('bodyRateMin'),
    keepAliveMs: read('keepAliveMs'),
    requestsMax: read('requestsMax'),
    connectionsMax: read('connectionsMax'),
    connectionsPerAddressMax: read('connectionsPerAddressMax'),
    headBytesMax: read('headBytesMax'),
    headFieldsMax: read('headFieldsMax'),
    targetBytesMax: read('targetBytesMax'),
  }
  if (bounds.targetBytesMax >= bounds.headBytesMax) {
    const message = `must be less than clients.headBytesMax, ${bounds.headBytesMax}, of which it is a part`
    issues.push({ path: 'clients.targetBytesMax', message })
  }
  return bounds
}
