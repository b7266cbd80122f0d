import { hash } from 'node:crypto'
import { TOKEN_CHARS_MAX } from './limits.ts'

/** What a token is for: `t` calls of the API, `j` enrolling a node or gateway, `f` founding a cluster. */
export type TokenLetter = 't' | 'j' | 'f'

/** A token taken apart. `rwt_ci.<secret>.<fingerprint>`: what people copy, and what a bearer sends. */
export type TokenText = {
  readonly letter: TokenLetter
  /** Name of the Token definition. */
  readonly name: string
  /** 32 bytes as 43 characters of base64url. */
  readonly secret: string
  /** Of the cluster authority's certificate, as far as it is given; empty where there is no TLS. */
  readonly fingerprint: string
}

/** Bytes of chance in a token. */
export const TOKEN_SECRET_BYTES = 32

// A fingerprint never has the length of a secret, so that a name with dots in it cannot be read in two ways.
const FORM =
  /^rw([tjf])_([a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?)\.([A-Za-z0-9_-]{43})(?:\.([0-9a-f]{32,64})?)?$/

/** The text of a token; without a fingerprint it ends with the secret. */
export function formatToken({ letter, name, secret, fingerprint }: TokenText): string {
  return `rw${letter}_${name}.${secret}${fingerprint === '' ? '' : `.${fingerprint}`}`
}

/** Takes a token apart; null for anything else. */
export function parseToken(text: string): TokenText | null {
  if (text.length > TOKEN_CHARS_MAX) return null
  const [, letter, name, secret, fingerprint = ''] = FORM.exec(text) ?? []
  if (name === undefined || secret === undefined) return null
  if (letter !== 't' && letter !== 'j' && letter !== 'f') return null
  return { letter, name, secret, fingerprint }
}

/** What is stored of a secret: SHA-256 in hex. The secret has 256 bits of chance, so it needs no salt and no slowness. */
export function hashOfSecret(secret: string): string {
  return hash('sha256', secret, 'hex')
}
