import { SIGNATURES_MAX, SIGNED_COMPONENTS_MAX } from '../../shared/access-limits.ts'

/** A parameter of a structured field: a text, a number, or true. Bytes and tokens are texts. */
type Value = string | number | boolean

export type Parameters = ReadonlyMap<string, Value>

/** A component that a signature covers, with its parameters as text: `;name="a"`. */
export type Component = {
  readonly name: string
  readonly parameters: Parameters
  /** As the client has it: `"@query-param";name="a"`. */
  readonly raw: string
}

/** A member of Signature-Input. */
export type SignatureInput = {
  readonly label: string
  readonly components: readonly Component[]
  readonly parameters: Parameters
  /** Behind the `=`, as the client has it. */
  readonly raw: string
}

/** Members of a Signature-Input field (RFC 9421 4.1), in order; null when it is not well formed, or has too many. */
export function readSignatureInput(text: string): readonly SignatureInput[] | null {
  return new Reader(text).dictionary((reader, label) => {
    const start = reader.at
    const components = reader.innerList()
    const parameters = components === null ? null : reader.parameters()
    if (components === null || parameters === null) return null
    return { label, components, parameters, raw: text.slice(start, reader.at) }
  })
}

/** A dictionary of byte sequences, such as Signature and Content-Digest, by label; null when it is not well formed. */
export function readByteSequences(text: string): ReadonlyMap<string, Buffer> | null {
  const members = new Reader(text).dictionary((reader, label) => {
    const bytes = reader.byteSequence()
    if (bytes === null || reader.parameters() === null) return null
    return { label, bytes }
  })
  return members === null ? null : new Map(members.map(({ label, bytes }) => [label, bytes]))
}

const KEY = /[a-z*][a-z0-9_.*-]*/y
const NUMBER = /-?[0-9]{1,15}(?![0-9.])/y
const TOKEN = /[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*/y
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y
const BYTES = /:([A-Za-z0-9+/]*={0,2}):/y
const SPACES = / */y
const OPTIONAL_SPACE = /[ \t]*/y

/** Reads what signatures need of structured fields (RFC 8941). */
class Reader {
  at = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Members one after another; the last of a label counts (RFC 8941 3.2). */
  dictionary<T>(member: (reader: Reader, label: string) => T | null): readonly T[] | null {
    const members = new Map<string, T>()
    this.#take(SPACES)
    for (;;) {
      const label = this.#take(KEY)
      if (label === null || !this.#takeText('=') || members.size >= SIGNATURES_MAX) return null
      const value = member(this, label)
      if (value === null) return null
      members.set(label, value)
      this.#take(OPTIONAL_SPACE)
      if (this.at === this.#text.length) return [...members.values()]
      if (!this.#takeText(',')) return null
      this.#take(OPTIONAL_SPACE)
    }
  }

  /** `("a" "b";c)`: texts with parameters. */
  innerList(): readonly Component[] | null {
    if (!this.#takeText('(')) return null
    const components: Component[] = []
    for (;;) {
      this.#take(SPACES)
      if (this.#takeText(')')) return components
      if (components.length >= SIGNED_COMPONENTS_MAX) return null
      const start = this.at
      const name = this.#string()
      const parameters = name === null ? null : this.parameters()
      if (name === null || parameters === null) return null
      components.push({ name, parameters, raw: this.#text.slice(start, this.at) })
      const next = this.#text[this.at]
      if (next !== ' ' && next !== ')') return null
    }
  }

  parameters(): Parameters | null {
    const parameters = new Map<string, Value>()
    while (this.#takeText(';')) {
      this.#take(SPACES)
      const key = this.#take(KEY)
      if (key === null) return null
      const value = this.#takeText('=') ? this.#bareItem() : true
      if (value === null) return null
      parameters.set(key, value)
    }
    return parameters
  }

  byteSequence(): Buffer | null {
    const text = this.#take(BYTES)
    return text === null ? null : Buffer.from(text.slice(1, -1), 'base64')
  }

  #bareItem(): Value | null {
    const text = this.#string()
    if (text !== null) return text
    if (this.#takeText('?1')) return true
    if (this.#takeText('?0')) return false
    const digits = this.#take(NUMBER)
    return digits === null ? (this.#take(TOKEN) ?? this.#take(BYTES)) : Number(digits)
  }

  #string(): string | null {
    const quoted = this.#take(STRING)
    return quoted === null ? null : quoted.slice(1, -1).replace(/\\(["\\])/g, '$1')
  }

  /** What a pattern matches here; null, and nothing taken, when it does not. */
  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.#text)
    if (found === null) return null
    this.at += found[0].length
    return found[0]
  }

  #takeText(text: string): boolean {
    if (!this.#text.startsWith(text, this.at)) return false
    this.at += text.length
    return true
  }
}
