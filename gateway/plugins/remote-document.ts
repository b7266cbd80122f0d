import { KEY_ROTATION_MS, REMOTE_RETRY_MS_MAX, REMOTE_RETRY_MS_MIN } from '../../shared/limits.ts'

/** How a document is had, and how long it is good. Times in milliseconds. */
export type DocumentOptions = {
  readonly url: string
  readonly cacheMs: number
  /** How long beyond `cacheMs` it is good while no other can be had. */
  readonly staleMs: number
  readonly timeoutMs: number
}

/** What a document is made of. */
type DocumentParts<T> = {
  readonly options: DocumentOptions
  /** Loads it. Rejects when it cannot be had, or is not what it should be. */
  readonly load: (options: DocumentOptions) => Promise<T>
  /** Whether two forms say the same. */
  readonly isSame: (a: T, b: T) => boolean
  /** Milliseconds since 1970. */
  readonly epochMs: () => number
}

/**
 * Something that an authorization server says of itself, such as its keys. Loaded when it is first asked for and when it is
 * old, once at a time; after a failure ever more rarely, while the form before is still good for some time.
 */
export class RemoteDocument<T> {
  readonly #parts: DocumentParts<T>
  #value: T | null = null
  #loadedAtMs = -Infinity
  #triedAtMs = -Infinity
  #failures = 0
  #loading: Promise<void> | null = null
  #version = 0

  constructor(parts: DocumentParts<T>) {
    this.#parts = parts
  }

  /** Another number whenever it says something else: what rests on it is void then. */
  get version(): number {
    return this.#version
  }

  /** Looks whether it is old; then another one is had behind the scenes. One that nobody has used yet stays where it is. */
  keepFresh(): void {
    if (this.#usable() === null || this.#isFresh()) return
    // It never rejects: whoever asks next hears what became of it.
    void this.#refresh()
  }

  /** The document, looked up first if it is old; null when none can be had. */
  async get(): Promise<T | null> {
    if (!this.#isFresh()) await this.#refresh()
    return this.#usable()
  }

  /** The same for somebody who misses something in it: it may have come since. At most once in KEY_ROTATION_MS. */
  async getNewer(): Promise<T | null> {
    const sinceMs = this.#parts.epochMs() - this.#triedAtMs
    if (sinceMs >= KEY_ROTATION_MS || this.#loading !== null) await this.#refresh()
    return this.#usable()
  }

  #ageMs(): number {
    return this.#parts.epochMs() - this.#loadedAtMs
  }

  #isFresh(): boolean {
    return this.#ageMs() < this.#parts.options.cacheMs
  }

  #usable(): T | null {
    const { cacheMs, staleMs } = this.#parts.options
    if (this.#value !== null && this.#ageMs() >= cacheMs + staleMs) {
      this.#value = null
      this.#version += 1
    }
    return this.#value
  }

  /** Never rejects. */
  async #refresh(): Promise<void> {
    if (this.#loading !== null) return this.#loading
    const waitMs = Math.min(REMOTE_RETRY_MS_MAX, REMOTE_RETRY_MS_MIN * 2 ** (this.#failures - 1))
    if (this.#failures > 0 && this.#parts.epochMs() - this.#triedAtMs < waitMs) return undefined
    this.#loading = this.#load().finally(() => {
      this.#loading = null
    })
    return this.#loading
  }

  async #load(): Promise<void> {
    const { options, load, isSame, epochMs } = this.#parts
    this.#triedAtMs = epochMs()
    try {
      const value = await load(options)
      if (this.#value === null || !isSame(this.#value, value)) this.#version += 1
      this.#value = value
      this.#loadedAtMs = epochMs()
      this.#failures = 0
    } catch {
      this.#failures += 1
    }
  }
}
