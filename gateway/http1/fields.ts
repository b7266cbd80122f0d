import type { FieldId } from './field-names.ts'

/** Numbers kept of each field: where its line, name and value begin and end, and which field it is. */
const WIDTH = 5

/**
 * The fields of one head: its text, one character a byte, and where each field lies in it. Names and values become
 * strings when somebody asks. What goes on as it came is taken as whole lines (`lines`).
 */
export class Fields {
  /** Start line, fields and the empty line; one character a byte. Set when the head is whole. */
  text = ''
  #count = 0
  readonly #places: number[] = []

  get count(): number {
    return this.#count
  }

  /** Forgets everything, so that the next head of a connection needs no new object. */
  clear(): void {
    this.text = ''
    this.#count = 0
  }

  /** The next field. Positions count from the beginning of the head; `line` is where its line begins. */
  add(line: number, nameEnd: number, valueStart: number, valueEnd: number, id: FieldId): void {
    const at = this.#count * WIDTH
    this.#count += 1
    const places = this.#places
    places[at] = line
    places[at + 1] = nameEnd
    places[at + 2] = valueStart
    places[at + 3] = valueEnd
    places[at + 4] = id
  }

  idAt(i: number): FieldId {
    return this.#places[i * WIDTH + 4] as FieldId // Only `add` writes it.
  }

  nameAt(i: number): string {
    const at = i * WIDTH
    return this.text.slice(this.#places[at], this.#places[at + 1])
  }

  /** Without the white space around it. */
  valueAt(i: number): string {
    const at = i * WIDTH
    return this.text.slice(this.#places[at + 2], this.#places[at + 3])
  }

  /** The lines of the fields from `from` up to `to`, each with its CRLF, as they came. */
  lines(from: number, to: number): string {
    if (from >= to) return ''
    // Behind the last field there is the empty line.
    const end = to < this.#count ? this.#places[to * WIDTH] : this.text.length - 2
    return this.text.slice(this.#places[from * WIDTH], end)
  }

  /**
   * One field by its lower-case name; several of the same name joined by `, ` (RFC 9110 5.3), those of Cookie by `; `
   * (RFC 6265 5.4). Undefined when there is none.
   */
  get(name: string): string | undefined {
    let found: string | undefined
    for (let i = 0; i < this.#count; i++) {
      if (!this.#hasName(i, name)) continue
      const value = this.valueAt(i)
      if (found === undefined) found = value
      else found += (name === 'cookie' ? '; ' : ', ') + value
    }
    return found
  }

  #hasName(i: number, name: string): boolean {
    const from = this.#places[i * WIDTH] ?? 0
    if ((this.#places[i * WIDTH + 1] ?? 0) - from !== name.length) return false
    for (let at = 0; at < name.length; at++) {
      const code = this.text.charCodeAt(from + at)
      const lower = code >= 65 && code <= 90 ? code + 32 : code
      if (lower !== name.charCodeAt(at)) return false
    }
    return true
  }
}
