import type { Definition } from '../../shared/definitions/kinds.ts'
import { redact } from '../../shared/definitions/redact.ts'
import { SNAPSHOT_TEXT_BYTES_MAX } from '../../shared/limits.ts'
import type { StateReader } from '../ports.ts'

/** What a watch shows of secrets: the sealed form, for gateways that hold the key, or that there is one. */
export type WatchView = 'sealed' | 'redacted'

/** Text encoded between two looks at other work. */
const CHUNK_CHARS = 64 * 1024

/**
 * One consistent cut of the config as the `definition` lines of a watch, encoded piece by piece as they are asked
 * for. While several watchers read the same cut the text is kept, so that a hundred gateways that start together
 * cost one encoding.
 */
export class SnapshotText {
  readonly view: WatchView
  readonly revision: number
  readonly hash: string
  readonly count: number
  readonly #definitions: readonly Definition[]
  /** Place after the last definition of each piece: the same for every reader. */
  readonly #ends: number[] = []
  #kept: (Buffer | undefined)[] | null = []
  #keptBytes = 0

  constructor(state: StateReader, view: WatchView) {
    this.view = view
    this.revision = state.revision
    this.hash = state.hash
    const definitions = state.list()
    this.#definitions = view === 'sealed' ? definitions : definitions.map(redact)
    this.count = this.#definitions.length
  }

  /** The piece at `at`, which follows those before it; null after the last. */
  piece(at: number): Buffer | null {
    const kept = this.#kept?.[at]
    if (kept !== undefined) return kept
    const start = at === 0 ? 0 : (this.#ends[at - 1] ?? this.count)
    if (start >= this.count) return null
    let text = ''
    let end = start
    while (end < this.count && text.length < CHUNK_CHARS) {
      text += `{"type":"definition","definition":${JSON.stringify(this.#definitions[end])}}\n`
      end++
    }
    this.#ends[at] = end
    const piece = Buffer.from(text)
    this.#keep(at, piece)
    return piece
  }

  /** No further watcher will share this cut: whoever still reads it encodes for himself. */
  forget(): void {
    this.#kept = null
  }

  #keep(at: number, piece: Buffer): void {
    if (this.#kept === null || this.#keptBytes + piece.length > SNAPSHOT_TEXT_BYTES_MAX) return
    this.#kept[at] = piece
    this.#keptBytes += piece.length
  }
}
