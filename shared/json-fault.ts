/** Where a JSON text goes wrong: the offset of the first character that does not fit, and why. */
export type JsonFault = { readonly at: number; readonly message: string }

/**
 * The first syntax error or repeated member of a JSON text (RFC 8259), or null if it has none. Far slower than
 * `JSON.parse`, and run only on texts that are known to be bad. The text must not nest deeper than the call stack.
 */
export function findJsonFault(text: string): JsonFault | null {
  try {
    new JsonScanner(text).document()
    return null
  } catch (error) {
    if (error instanceof Fault) return { at: error.at, message: error.message }
    throw error
  }
}

class Fault extends Error {
  override readonly name = 'Fault'
  readonly at: number

  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

const NUMBER = /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const ESCAPE = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y

class JsonScanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): void {
    this.#value()
    this.#space()
    if (this.#at < this.#text.length) throw this.#unexpected('the end')
  }

  #value(): void {
    this.#space()
    const next = this.#text[this.#at]
    if (next === '{') this.#object()
    else if (next === '[') this.#array()
    else if (next === '"') this.#string()
    else if (next === 't') this.#literal('true')
    else if (next === 'f') this.#literal('false')
    else if (next === 'n') this.#literal('null')
    else if (next !== undefined && (next === '-' || (next >= '0' && next <= '9'))) this.#number()
    else throw this.#unexpected('a value')
  }

  #object(): void {
    const members = new Set<string>()
    this.#at++
    if (this.#take('}')) return
    do {
      this.#space()
      const start = this.#at
      if (this.#text[start] !== '"') throw this.#unexpected('a member name in double quotes')
      this.#string()
      const member = String(JSON.parse(this.#text.slice(start, this.#at)))
      if (members.has(member)) throw new Fault(start, `member ${quote(member)} comes twice`)
      members.add(member)
      if (!this.#take(':')) throw this.#unexpected('":"')
      this.#value()
    } while (this.#take(','))
    if (!this.#take('}')) throw this.#unexpected('"," or "}"')
  }

  #array(): void {
    this.#at++
    if (this.#take(']')) return
    do this.#value()
    while (this.#take(','))
    if (!this.#take(']')) throw this.#unexpected('"," or "]"')
  }

  #string(): void {
    for (this.#at++; ; this.#at++) {
      const next = this.#text[this.#at]
      if (next === undefined) throw this.#unexpected('a closing double quote')
      if (next === '"') break
      if (next < ' ') throw new Fault(this.#at, 'control character inside a string')
      if (next !== '\\') continue
      ESCAPE.lastIndex = this.#at + 1
      if (!ESCAPE.test(this.#text)) throw new Fault(this.#at, 'not an escape of JSON')
      this.#at = ESCAPE.lastIndex - 1
    }
    this.#at++
  }

  #number(): void {
    NUMBER.lastIndex = this.#at
    if (!NUMBER.test(this.#text)) throw new Fault(this.#at, 'not a number of JSON')
    this.#at = NUMBER.lastIndex
  }

  #literal(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.#text[this.#at + i] !== word[i]) {
        this.#at += i
        throw this.#unexpected(word)
      }
    }
    this.#at += word.length
  }

  #take(punctuation: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== punctuation) return false
    this.#at++
    return true
  }

  #space(): void {
    for (; ; this.#at++) {
      const next = this.#text[this.#at]
      if (next !== ' ' && next !== '\n' && next !== '\r' && next !== '\t') return
    }
  }

  #unexpected(wanted: string): Fault {
    const next = this.#text[this.#at]
    const found = next === undefined ? 'the text ends' : `found ${quote(next)}`
    return new Fault(this.#at, `${wanted} expected, but ${found}`)
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text)
}
