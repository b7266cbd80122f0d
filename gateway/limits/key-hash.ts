/**
 * 64 bits of a key, in two halves of 32, over texts one after another: multiplied and folded as in MurmurHash3. Begins with a
 * seed that nobody outside knows, or clients could choose header values that fall together with those of others.
 */
export class KeyHash {
  #a = 0
  #b = 0

  start(a: number, b: number): void {
    this.#a = a
    this.#b = b
  }

  /** A text, apart from what comes before and after it. */
  text(text: string): void {
    let a = this.#a
    let b = this.#b
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      a = Math.imul(a ^ code, 0x9e3779b1)
      b = Math.imul(b ^ code, 0x5f356495)
      a ^= a >>> 15
      b ^= b >>> 13
    }
    this.#a = a
    this.#b = b
    this.number(text.length + 0x10000)
  }

  /** A whole number of at most 32 bits. */
  number(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x85ebca6b)
    this.#b = Math.imul(this.#b ^ value, 0xc2b2ae35)
    this.#a ^= this.#a >>> 13
    this.#b ^= this.#b >>> 16
  }

  get a(): number {
    return mixed(this.#a ^ (this.#b << 7))
  }

  get b(): number {
    return mixed(this.#b ^ (this.#a << 11))
  }
}

function mixed(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) | 0
}
