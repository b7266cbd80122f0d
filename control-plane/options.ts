import { z } from 'zod'
import {
  CERTIFICATE_LIFETIME_MS_DEFAULT,
  DISK_RESERVE_BYTES_DEFAULT,
  ELECTION_MS_DEFAULT,
  HEARTBEAT_MS_DEFAULT,
  MEMBERS_MAX,
  REMOVE_DEAD_MS_MAX,
  REMOVE_DEAD_MS_MIN,
  REMOVE_DEAD_VOTERS_DEFAULT,
  SCRUB_BYTES_PER_SECOND_DEFAULT,
  SCRUB_REST_MS_DEFAULT,
  TICK_MS_DEFAULT,
  TOKEN_CHARS_MAX,
} from '../shared/limits.ts'
import { nameSchema } from '../shared/definitions/common.ts'
import type { SealKeys } from '../shared/definitions/seal.ts'
import type { Logger } from '../shared/logger.ts'

const endpointSchema = z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65_535) })
const hostPortSchema = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):[0-9]{1,5}$/, 'must be HOST:PORT')

/** An entry of a join list that is looked up as a service: `srv+NAME`, or a name that begins as services do. */
const serviceSchema = z
  .string()
  .regex(/^(srv\+[^:\s/]+|_[^:\s/]+)$/, 'must be HOST:PORT, srv+NAME or _service._tcp.NAME')

const optionsSchema = z
  .strictObject({
    name: nameSchema,
    dataDir: z.string().min(1),
    api: endpointSchema,
    peer: endpointSchema,
    join: z.array(z.union([serviceSchema, hostPortSchema])).max(64),
    expect: z.int().min(1).max(15).nullable(),
    advertiseApi: z.url({ protocol: /^https?$/ }).nullable(),
    advertisePeer: hostPortSchema.nullable(),
    /** Null: off where only this machine reaches the node, on elsewhere. */
    auth: z.enum(['on', 'off']).nullable().default(null),
    /** What is not safe off this machine is wanted all the same. */
    insecure: z.boolean().default(false),
    /** Metrics are for everybody, tokens or not. */
    openMetrics: z.boolean().default(false),
    /** Null: off where only this machine reaches the node and nothing else of TLS is given, on elsewhere. */
    tls: z.enum(['on', 'off']).nullable().default(null),
    /** PEM files for the API; null for a certificate of the cluster authority. */
    apiCert: z.string().min(1).nullable().default(null),
    apiKey: z.string().min(1).nullable().default(null),
    /** Text of a founding token, or of one of role node. */
    joinToken: z.string().min(1).max(TOKEN_CHARS_MAX).nullable().default(null),
    certLifetimeMs: z
      .int()
      .min(1_000)
      .max(10 * 365 * 24 * 3_600_000)
      .default(CERTIFICATE_LIFETIME_MS_DEFAULT),
    /** Asked for names of the join list and of peers, before the system is. */
    dnsServer: hostPortSchema.nullable().default(null),
    removeDeadAfterMs: z
      .int()
      .min(REMOVE_DEAD_MS_MIN)
      .max(REMOVE_DEAD_MS_MAX)
      .nullable()
      .default(null),
    removeDeadMin: z.int().min(1).max(MEMBERS_MAX).default(REMOVE_DEAD_VOTERS_DEFAULT),
    tickMs: z.int().min(1).max(1_000).default(TICK_MS_DEFAULT),
    heartbeatMs: z.int().min(1).max(10_000).default(HEARTBEAT_MS_DEFAULT),
    /** Whether a damaged store may be replaced from the other members. */
    healCorrupt: z.boolean().default(true),
    diskReserveBytes: z
      .int()
      .min(1024 * 1024)
      .default(DISK_RESERVE_BYTES_DEFAULT),
    /** 0: what is at rest is not read again. */
    scrubBytesPerSecond: z.int().min(0).default(SCRUB_BYTES_PER_SECOND_DEFAULT),
    scrubRestMs: z.int().min(1).default(SCRUB_REST_MS_DEFAULT),
    electionMs: z.int().min(10).max(60_000).default(ELECTION_MS_DEFAULT),
  })
  .refine(({ tickMs, heartbeatMs }) => heartbeatMs >= tickMs, {
    path: ['heartbeatMs'],
    message: 'must be at least tickMs',
  })
  .refine(({ heartbeatMs, electionMs }) => electionMs >= 3 * heartbeatMs, {
    path: ['electionMs'],
    message: 'must be at least three heartbeats, or one late packet starts an election',
  })
  .refine(({ expect, join }) => expect === null || expect <= 1 || join.length > 0, {
    path: ['join'],
    message: 'must name the peers when expect is above 1',
  })
  .refine(({ expect, join }) => expect === null || 2 * expect > new Set(join).size, {
    path: ['expect'],
    message: 'must be more than half of the join list, or two clusters could come of one list',
  })
  .refine((options) => options.auth !== 'off' || options.insecure || isLoopbackOnly(options), {
    path: ['auth'],
    message: 'off makes everybody an admin who reaches the node: give --insecure if that is meant',
  })
  .refine(({ apiCert, apiKey }) => (apiCert === null) === (apiKey === null), {
    path: ['apiKey'],
    message: 'and apiCert go together',
  })
  .refine(({ tls, apiCert, joinToken }) => tls !== 'off' || (apiCert ?? joinToken) === null, {
    path: ['tls'],
    message: 'off needs neither apiCert nor joinToken',
  })
  .refine((options) => usesTls(options) || options.insecure || isLoopbackOnly(options), {
    path: ['tls'],
    message:
      'is off, and the node can be reached from other machines. Three ways out: --tls on (certificates of a cluster ' +
      'authority, with --join-token where nodes join each other), addresses of this machine only (127.0.0.1), or ' +
      '--insecure, if everybody in this network may read and change everything',
  })
  .refine(
    (options) =>
      options.advertiseApi === null || isSecure(options.advertiseApi) || !usesTls(options),
    { path: ['advertiseApi'], message: 'must begin with https://: this node speaks TLS' },
  )
  .refine(({ api, advertiseApi }) => advertiseApi !== null || !WILDCARDS.includes(api.host), {
    path: ['advertiseApi'],
    message: 'is needed when the API listens on every address: where do others reach it?',
  })
  .refine(({ peer, advertisePeer }) => advertisePeer !== null || !WILDCARDS.includes(peer.host), {
    path: ['advertisePeer'],
    message: 'is needed when the peer port listens on every address: where do others reach it?',
  })

/** Addresses that mean "every interface": good to listen on, no good to be reached at. */
const WILDCARDS = ['0.0.0.0', '::', '[::]']

/** Settings of one node. Times are milliseconds; port 0 picks a free one. */
export type ServerOptions = z.input<typeof optionsSchema> & {
  readonly logger: Logger
  /** What seals secrets in definitions; left out, such definitions are refused. */
  readonly sealKeys?: SealKeys
  /** Told the first admin's token by the leader that makes it, once; left out, it is told to nobody. */
  readonly announceToken?: (token: string) => void
}

export type CheckedServerOptions = z.output<typeof optionsSchema>

/** Whether calls need a token: not where only this machine reaches the node and nothing of TLS was asked for. */
export function needsTokens(options: CheckedServerOptions): boolean {
  return options.auth === null
    ? usesTls(options) || !isLoopbackOnly(options)
    : options.auth === 'on'
}

type TlsOptions = Endpoints & {
  readonly tls: 'on' | 'off' | null
  readonly insecure: boolean
  readonly apiCert: string | null
  readonly joinToken: string | null
}

/** Whether links and API speak TLS: not where only this machine reaches the node and nothing else was asked for. */
export function usesTls(options: TlsOptions): boolean {
  if (options.tls !== null) return options.tls === 'on'
  if ((options.apiCert ?? options.joinToken) !== null) return true
  return !options.insecure && !isLoopbackOnly(options)
}

function isSecure(url: string): boolean {
  return url.startsWith('https:')
}

type Endpoints = {
  readonly api: { readonly host: string }
  readonly peer: { readonly host: string }
}

/** Whether both ports of a node can be reached from this machine only. */
export function isLoopbackOnly({ api, peer }: Endpoints): boolean {
  return isLoopbackHost(api.host) && isLoopbackHost(peer.host)
}

export function isLoopbackHost(host: string): boolean {
  return (
    host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
  )
}

/** Checks the options, or says everything that is wrong with them. */
export function checkServerOptions(
  options: ServerOptions,
):
  | { readonly ok: true; readonly options: CheckedServerOptions }
  | { readonly ok: false; readonly issues: readonly string[] } {
  const { logger: _logger, announceToken: _announce, sealKeys: _keys, ...plain } = options
  const parsed = optionsSchema.safeParse(plain)
  if (parsed.success) return { ok: true, options: parsed.data }
  return {
    ok: false,
    issues: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`),
  }
}
