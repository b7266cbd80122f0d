import { hash } from 'node:crypto'

const LANES = 8

/**
 * A hash of a set of definitions that is kept in O(1) a change: the sum, modulo 2^256, of each definition's SHA-256.
 * Order does not matter; a definition is hashed as the exact text that watch lines carry.
 * Source: Bellare and Micciancio 1997, AdHash.
 */
export class ConfigHash {
  /** Little-endian lanes of 32 bits. */
  readonly #lanes = new Uint32Array(LANES)

  /** Continues from the hex text of another sum. Throws on anything that is not 64 hex digits. */
  static fromHex(hex: string): ConfigHash {
    if (!/^[0-9a-f]{64}$/.test(hex)) throw new RangeError(`not a config hash: ${hex}`)
    const sum = new ConfigHash()
    for (let lane = 0; lane < LANES; lane++) {
      const at = (LANES - 1 - lane) * 8
      sum.#lanes[lane] = Number.parseInt(hex.slice(at, at + 8), 16)
    }
    return sum
  }

  /** Adds one definition's text. */
  add(text: string): void {
    const digest = hash('sha256', text, 'buffer')
    let carry = 0
    for (let lane = 0; lane < LANES; lane++) {
      const sum = (this.#lanes[lane] ?? 0) + digest.readUInt32LE(lane * 4) + carry
      this.#lanes[lane] = sum >>> 0
      carry = sum > 0xffff_ffff ? 1 : 0
    }
  }

  /** Takes one definition's text out again. */
  remove(text: string): void {
    const digest = hash('sha256', text, 'buffer')
    let borrow = 0
    for (let lane = 0; lane < LANES; lane++) {
      const difference = (this.#lanes[lane] ?? 0) - digest.readUInt32LE(lane * 4) - borrow
      this.#lanes[lane] = difference >>> 0
      borrow = difference < 0 ? 1 : 0
    }
  }

  /** 64 hex digits, most significant first. */
  toHex(): string {
    let hex = ''
    for (let lane = LANES - 1; lane >= 0; lane--) {
      hex += (this.#lanes[lane] ?? 0).toString(16).padStart(8, '0')
    }
    return hex
  }
}
