import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { SEAL_KEYS_MAX } from '../limits.ts'

/** A key that seals secrets. Its parts are key objects, so that no log line can show them. */
export type SealKey = {
  /** 16 hex digits; stands in front of everything that the key has sealed. */
  readonly id: string
  readonly encryption: KeyObject
  readonly nonce: KeyObject
}

/** The keys of one process: the first seals, all of them open. */
export type SealKeys = readonly SealKey[]

/** Where a secret stands. A sealed value is good at its own place only: moved to another one it cannot be opened. */
export type SecretPlace = { readonly kind: string; readonly name: string; readonly path: string }

export type KeysRead =
  | { readonly ok: true; readonly keys: SealKeys }
  /** `message` never repeats what was read. */
  | { readonly ok: false; readonly message: string }

export type Opened =
  | { readonly ok: true; readonly value: string }
  /** `no-key`: sealed with a key that is not among these. `damaged`: changed since, or sealed for another place. */
  | { readonly ok: false; readonly reason: 'no-key' | 'damaged'; readonly keyId: string }

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Reads keys of 32 bytes, one a line as base64 or hex; empty lines and lines that begin with `#` do not count. */
export function readSealKeys(text: string): KeysRead {
  const keys: SealKey[] = []
  for (const [at, line] of text.split('\n').entries()) {
    const word = line.trim()
    if (word === '' || word.startsWith('#')) continue
    const bytes = keyBytes(word)
    if (bytes === null) {
      const message = `line ${at + 1} is no key: 32 bytes as base64 or hex are wanted`
      return { ok: false, message }
    }
    const key = sealKeyOf(bytes)
    if (keys.some(({ id }) => id === key.id))
      return { ok: false, message: `line ${at + 1} repeats key ${key.id}` }
    keys.push(key)
  }
  if (keys.length === 0) return { ok: false, message: 'there is no key in it' }
  if (keys.length > SEAL_KEYS_MAX)
    return { ok: false, message: `more than ${SEAL_KEYS_MAX} keys (SEAL_KEYS_MAX)` }
  return { ok: true, keys }
}

/**
 * Seals a value with AES-256-GCM. The same value at the same place under the same key gives the same text, so that a
 * repeated write is the same write: the nonce is derived from all three (as in SIV modes, RFC 5297), and never shared
 * by two different values.
 */
export function sealSecret(key: SealKey, place: SecretPlace, value: string): string {
  const nonce = createHmac('sha256', key.nonce)
    .update(contextOf(place))
    .update('\0')
    .update(value)
    .digest()
    .subarray(0, NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key.encryption, nonce)
  cipher.setAAD(Buffer.from(contextOf(place)))
  const sealed = Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final()])
  return `${key.id}.${Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64url')}`
}

/** Opens what `sealSecret` made. */
export function openSecret(keys: SealKeys, place: SecretPlace, sealed: string): Opened {
  const keyId = keyIdOf(sealed)
  const key = keys.find(({ id }) => id === keyId)
  if (key === undefined) return { ok: false, reason: 'no-key', keyId }
  const bytes = Buffer.from(sealed.slice(keyId.length + 1), 'base64url')
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return { ok: false, reason: 'damaged', keyId }
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key.encryption, nonce, {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(Buffer.from(contextOf(place)))
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
  try {
    const plain = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]
    return { ok: true, value: Buffer.concat(plain).toString() }
  } catch {
    return { ok: false, reason: 'damaged', keyId }
  }
}

/** The id of the key that sealed a text. */
export function keyIdOf(sealed: string): string {
  return sealed.slice(0, Math.max(0, sealed.indexOf('.')))
}

function keyBytes(word: string): Buffer | null {
  if (/^[0-9a-fA-F]{64}$/.test(word)) return Buffer.from(word, 'hex')
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(word)) return null
  const bytes = Buffer.from(word, 'base64')
  return bytes.length === KEY_BYTES ? bytes : null
}

/** Two keys from one, so that nonces and ciphertexts never share a key (RFC 5869). */
function sealKeyOf(bytes: Buffer): SealKey {
  const derive = (use: string): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', bytes, '', `raftway secret ${use}`, KEY_BYTES)))
  const id = hash('sha256', Buffer.concat([Buffer.from('raftway seal key id\0'), bytes]), 'hex')
  return { id: id.slice(0, 16), encryption: derive('encryption'), nonce: derive('nonce') }
}

function contextOf({ kind, name, path }: SecretPlace): string {
  return ['raftway secret', kind, name, path].join('\0')
}
