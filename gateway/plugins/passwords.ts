import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Argon2Hash } from '../../shared/argon2-hash.ts'
import { assert } from '../../shared/assert.ts'
import { PASSWORDS_AT_ONCE_MAX, PASSWORDS_WAITING_MAX } from '../../shared/access-limits.ts'

/** Compares passwords with hashes, off the event loop, a few at once: each takes memory and a thread for a while. */
export class Passwords {
  #underWay = 0
  readonly #waiting: (() => void)[] = []
  /** What comparing costs for the Consumers of this worker: the last real one tells. */
  #usual: Argon2Hash = {
    memoryKib: 19_456,
    passes: 2,
    lanes: 1,
    salt: randomBytes(16),
    tag: randomBytes(32),
  }

  /** Whether it is the password of a hash; null when too many wait already. */
  compare(hash: Argon2Hash, password: string): Promise<boolean> | null {
    this.#usual = hash
    return this.#begin(hash, password)
  }

  /** Takes as long as a wrong password does, for a user that nobody knows. Never true. */
  compareWithNone(password: string): Promise<boolean> | null {
    const { salt, tag } = this.#usual
    const none = { ...this.#usual, salt: randomBytes(salt.length), tag: randomBytes(tag.length) }
    const compared = this.#begin(none, password)
    return compared === null ? null : compared.then(() => false)
  }

  #begin(hash: Argon2Hash, password: string): Promise<boolean> | null {
    if (this.#underWay < PASSWORDS_AT_ONCE_MAX) return this.#run(hash, password)
    if (this.#waiting.length >= PASSWORDS_WAITING_MAX) return null
    return new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
    }).then(() => this.#run(hash, password))
  }

  async #run(hash: Argon2Hash, password: string): Promise<boolean> {
    this.#underWay += 1
    try {
      return timingSafeEqual(await derive(hash, password), hash.tag)
    } finally {
      this.#underWay -= 1
      assert(this.#underWay >= 0, 'what ends has begun')
      this.#waiting.shift()?.()
    }
  }
}

function derive({ memoryKib, passes, lanes, salt, tag }: Argon2Hash, password: string) {
  return new Promise<Buffer>((resolve, reject) => {
    const options = {
      message: password,
      nonce: salt,
      parallelism: lanes,
      tagLength: tag.length,
      memory: memoryKib,
      passes,
    }
    argon2('argon2id', options, (error, derived) => {
      if (error === null || error === undefined) resolve(derived)
      else reject(error)
    })
  })
}
