import { randomBytes } from 'node:crypto'
import type { ApiOptions } from '../../../control-plane/api/server.ts'
import type { TokenSpec } from '../../../shared/definitions/access.ts'
import { formatToken, hashOfSecret } from '../../../shared/token-text.ts'
import { call, type CallOptions, type Reply } from '../../conformance/api-client.ts'
import { startCluster, type Running } from './start.ts'

/** A token and what a node may know of it. */
export type MadeToken = { readonly text: string; readonly spec: TokenSpec }

/** A token as `raftway token create` makes it. */
export function makeToken(name: string, spec: Omit<TokenSpec, 'hash'>): MadeToken {
  const secret = randomBytes(32).toString('base64url')
  return {
    text: formatToken({ letter: 't', name, secret, fingerprint: '' }),
    spec: { ...spec, hash: hashOfSecret(secret) },
  }
}

export const ADMIN = makeToken('bootstrap', { role: 'admin' })
export const FORWARDING_SECRET = randomBytes(32).toString('base64url')

/** Nodes without consensus whose APIs want tokens; `ADMIN` is the first one. */
export async function startSecured(
  count: number,
  options: Partial<ApiOptions> = {},
): Promise<Running> {
  const running = await startCluster(count, {
    access: { isOpen: false, isLoopback: true, hasOpenMetrics: false, peerOf: () => null },
    ...options,
  })
  running.cluster.grantAccess({
    bootstrapHash: ADMIN.spec.hash,
    forwardingSecret: FORWARDING_SECRET,
    atMs: 0,
  })
  return running
}

/** A call with a token. */
export function callAs(
  token: string,
  base: string,
  line: string,
  options: CallOptions = {},
): Promise<Reply> {
  const headers = { authorization: `Bearer ${token}`, ...options.headers }
  return call(base, line, { ...options, headers })
}

/** Makes a token known to the cluster, and returns its text. */
export async function addToken(
  base: string,
  name: string,
  spec: Omit<TokenSpec, 'hash'>,
): Promise<string> {
  const made = makeToken(name, spec)
  const reply = await callAs(ADMIN.text, base, `PUT /v1/tokens/${name}`, {
    json: { spec: made.spec },
  })
  if (reply.status > 201) throw new Error(reply.text)
  return made.text
}
