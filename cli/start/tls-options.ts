import type { OptionSpecs } from '../command.ts'
import { readDuration } from './duration.ts'
import { readTokenOption } from './join-token.ts'

/** How a node speaks TLS, and what lets it in. */
export const TLS_OPTIONS = {
  tls: {
    type: 'string',
    choices: ['on', 'off'],
    describe: 'mutual TLS between nodes, and https; default off where only this machine gets in',
  },
  'join-token': {
    type: 'string',
    describe: 'what lets this node in, or @FILE: a founding token, or one of role node',
  },
  'api-cert': { type: 'string', describe: 'PEM file for the API, in place of the cluster’s own' },
  'api-key': {
    type: 'string',
    describe: 'PEM file with its key; both are read again when they change, and on SIGHUP',
  },
  'cert-lifetime': {
    type: 'string',
    describe:
      'life of certificates that this node issues, default 30d; they are renewed at two thirds of it',
  },
} as const satisfies OptionSpecs

/** What `TLS_OPTIONS` gives a command. */
type TlsArguments = {
  readonly tls: 'on' | 'off' | undefined
  readonly 'join-token': string | undefined
  readonly 'api-cert': string | undefined
  readonly 'api-key': string | undefined
  readonly 'cert-lifetime': string | undefined
}

/** The same as options of a node. UsageError, which never repeats a token. */
export async function readTlsOptions(args: TlsArguments): Promise<{
  readonly tls: 'on' | 'off' | null
  readonly joinToken: string | null
  readonly apiCert: string | null
  readonly apiKey: string | null
  readonly certLifetimeMs?: number
}> {
  const lifetime = args['cert-lifetime']
  return {
    tls: args.tls ?? null,
    joinToken: await readTokenOption('--join-token', args['join-token']),
    apiCert: args['api-cert'] ?? null,
    apiKey: args['api-key'] ?? null,
    ...(lifetime === undefined
      ? {}
      : { certLifetimeMs: readDuration('--cert-lifetime', lifetime) }),
  }
}
