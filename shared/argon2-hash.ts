import { ARGON2_LANES_MAX, ARGON2_MEMORY_KIB_MAX, ARGON2_PASSES_MAX } from './access-limits.ts'

/** What a password is compared with: argon2id, version 1.3. */
export type Argon2Hash = {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
  readonly salt: Buffer
  readonly tag: Buffer
}

const PHC =
  /^\$argon2id\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,3}),p=([0-9]{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** Reads a hash in its PHC form: `$argon2id$v=19$m=19456,t=2,p=1$salt$tag`. Null for any other text, or one that costs too much. */
export function readArgon2Hash(text: string): Argon2Hash | null {
  const found = PHC.exec(text)
  if (found === null) return null
  const [memoryKib = 0, passes = 0, lanes = 0] = found.slice(1, 4).map(Number)
  const isBounded =
    memoryKib <= ARGON2_MEMORY_KIB_MAX &&
    passes >= 1 &&
    passes <= ARGON2_PASSES_MAX &&
    lanes >= 1 &&
    lanes <= ARGON2_LANES_MAX &&
    // RFC 9106 3.1.
    memoryKib >= 8 * lanes
  if (!isBounded) return null
  const [salt, tag] = found.slice(4).map((text64) => Buffer.from(text64, 'base64'))
  return salt === undefined || tag === undefined ? null : { memoryKib, passes, lanes, salt, tag }
}
