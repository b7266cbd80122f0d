import { argon2, randomBytes } from 'node:crypto'
import { RaftwayError } from '../../shared/errors.ts'
import { PASSWORDS_WAITING_MAX } from '../../shared/limits.ts'

/** What OWASP's Password Storage Cheat Sheet has for argon2id: about 20 ms of one core, 19 MiB. */
const MEMORY_KIB = 19_456
const PASSES = 2
const SALT_BYTES = 16
const HASH_BYTES = 32

let last: Promise<unknown> = Promise.resolve()
let waiting = 0

/**
 * argon2id of a password, as a PHC string. Off the event loop and one after the other: the disk's writes need the same
 * threads, and a leader must not lose its office to passwords. OVERLOADED when too many wait.
 */
export async function hashPassword(password: string): Promise<string> {
  if (waiting >= PASSWORDS_WAITING_MAX) {
    const detail = `More than ${PASSWORDS_WAITING_MAX} passwords wait to be hashed (PASSWORDS_WAITING_MAX).`
    throw new RaftwayError('OVERLOADED', detail)
  }
  waiting++
  const turn = last.then(() => derive(password))
  // Whoever waits for its turn does not care how the one before ended.
  last = turn.catch(() => {})
  try {
    return await turn
  } finally {
    waiting--
  }
}

function derive(password: string): Promise<string> {
  const nonce = randomBytes(SALT_BYTES)
  const parameters = {
    message: password,
    nonce,
    parallelism: 1,
    tagLength: HASH_BYTES,
    memory: MEMORY_KIB,
    passes: PASSES,
  }
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, hash) => {
      if (error !== null) reject(error)
      else resolve(`$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=1$${bare(nonce)}$${bare(hash)}`)
    })
  })
}

/** Base64 as PHC strings have it: without padding. */
function bare(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
