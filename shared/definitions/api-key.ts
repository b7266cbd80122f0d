import { createHmac } from 'node:crypto'

/**
 * What is stored of an API key, in hex. The key of the HMAC is the same everywhere and no secret: keys that the control
 * plane makes have 256 bits of chance, so that nobody can guess one from its hash, and gateways need no further secret.
 */
export function hashApiKey(key: string): string {
  return createHmac('sha256', 'raftway api key 1').update(key).digest('hex')
}
