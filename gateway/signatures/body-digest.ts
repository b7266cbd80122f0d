import { createHash, timingSafeEqual } from 'node:crypto'
import { readByteSequences } from './structured-fields.ts'

const ALGORITHMS = { 'sha-512': 'sha512', 'sha-256': 'sha256' } as const

/** Which body a request must have: the digest that its client has signed. */
export type ExpectedDigest = { readonly algorithm: 'sha256' | 'sha512'; readonly bytes: Buffer }

/** What a Content-Digest (RFC 9530) says, the strongest that is known; null for none, or when it is not well formed. */
export function readContentDigest(field: string): ExpectedDigest | null {
  return strongest(readByteSequences(field))
}

/** The same for a Digest (RFC 3230). */
export function readDigest(field: string): ExpectedDigest | null {
  const digests = new Map<string, Buffer>()
  for (const item of field.split(',')) {
    const [name = ''] = item.split('=', 1)
    const value = item.slice(name.length + 1).trim()
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return null
    digests.set(name.trim().toLowerCase(), Buffer.from(value, 'base64'))
  }
  return strongest(digests)
}

function strongest(digests: ReadonlyMap<string, Buffer> | null): ExpectedDigest | null {
  for (const [name, algorithm] of Object.entries(ALGORITHMS)) {
    const bytes = digests?.get(name)
    if (bytes !== undefined) return { algorithm, bytes }
  }
  return null
}

/**
 * Compares a body with its digest while it passes. The last byte is held back until the whole was seen, so that nobody behind
 * ever has a whole body that is not the signed one, and nothing need be buffered.
 */
export class BodyDigest {
  readonly #expected: ExpectedDigest
  readonly #hash: ReturnType<typeof createHash>
  readonly #held = Buffer.alloc(1)
  #isHolding = false

  constructor(expected: ExpectedDigest) {
    this.#expected = expected
    this.#hash = createHash(expected.algorithm)
  }

  /** Takes a piece and passes on what may go. Returns whether more may come. */
  pass(
    { bytes, from, to }: { readonly bytes: Buffer; readonly from: number; readonly to: number },
    write: (bytes: Buffer, from: number, to: number) => boolean,
  ): boolean {
    if (to <= from) return true
    this.#hash.update(bytes.subarray(from, to))
    // A copy: who is written to may keep what it was given.
    const isFirstTaken = this.#isHolding ? write(Buffer.from(this.#held), 0, 1) : true
    this.#held[0] = bytes[to - 1] ?? 0
    this.#isHolding = true
    const isRestTaken = to - from > 1 ? write(bytes, from, to - 1) : true
    return isFirstTaken && isRestTaken
  }

  /** At the end of the body: passes the last byte on and returns true, or false if this is not the signed body. Once. */
  finish(write: (bytes: Buffer, from: number, to: number) => boolean): boolean {
    const { bytes } = this.#expected
    const digest = this.#hash.digest()
    if (digest.length !== bytes.length || !timingSafeEqual(digest, bytes)) return false
    if (this.#isHolding) write(this.#held, 0, 1)
    return true
  }
}
