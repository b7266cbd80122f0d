import { ConfigHash } from '../../shared/config-hash.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type { NodeAddress } from '../ports.ts'
import { BackupDecoder, type BackupHeader } from './backup-format.ts'
import { kindOf, numberOf, SECTION } from './keys.ts'
import { isWhole, SEAL_BYTES } from './seal.ts'
import { SnapshotDecoder, type SnapshotRecord } from './snapshot-stream.ts'

/** What a backup holds, counted from its contents and not from what it says of itself. */
export type BackupContents = {
  readonly header: BackupHeader
  readonly bytes: number
  /** Definitions by kind. */
  readonly definitions: Readonly<Record<string, number>>
  /** First and last revision of the history in it; null when there is none. */
  readonly history: { readonly from: number; readonly to: number } | null
  readonly idempotencyKeys: number
  readonly members: readonly NodeAddress[]
}

/**
 * Checks a backup as it passes: every block, every record, the sum over the definitions, and that all of it is there.
 * Throws BACKUP_DAMAGED with where. Nothing is kept, however large the backup is.
 */
export class BackupCheck {
  readonly #file = new BackupDecoder()
  readonly #hash = new ConfigHash()
  readonly #definitions = new Map<string, number>()
  readonly #members: NodeAddress[] = []
  #snapshot: SnapshotDecoder | null = null
  #history: { from: number; to: number } | null = null
  #idempotencyKeys = 0
  #bytes = 0

  /** Null until it was read. */
  get header(): BackupHeader | null {
    return this.#file.header
  }

  /** Takes the next bytes; returns the chunks of the snapshot that passed. */
  push(piece: Uint8Array): readonly Buffer[] {
    this.#bytes += piece.length
    const chunks = this.#file.push(piece)
    const { header } = this.#file
    if (header === null) return chunks
    this.#snapshot ??= new SnapshotDecoder(header)
    for (const chunk of chunks) {
      for (const record of this.#decode(this.#snapshot, chunk)) this.#take(record)
    }
    return chunks
  }

  /** All bytes were given. */
  finish(): BackupContents {
    const header = this.#file.finish()
    if (this.#snapshot?.isComplete !== true) throw damaged('its snapshot is not whole')
    if (this.#hash.toHex() !== header.hash) {
      throw damaged(`its definitions do not sum up to the hash of revision ${header.revision}`)
    }
    return {
      header,
      bytes: this.#bytes,
      definitions: Object.fromEntries(this.#definitions),
      history: this.#history,
      idempotencyKeys: this.#idempotencyKeys,
      members: this.#members,
    }
  }

  #decode(decoder: SnapshotDecoder, chunk: Buffer): readonly SnapshotRecord[] {
    try {
      return decoder.push(chunk)
    } catch (error) {
      throw new RaftwayError('BACKUP_DAMAGED', `the backup is damaged before byte ${this.#bytes}`, {
        cause: error,
      })
    }
  }

  #take({ name, value }: SnapshotRecord): void {
    if (!isWhole(name, value)) {
      throw damaged(`${name.toString('latin1')}, before byte ${this.#bytes}, is damaged`)
    }
    const payload = value.subarray(SEAL_BYTES)
    switch (name[0]) {
      case SECTION.definitions:
        this.#hash.add(payload.toString())
        this.#definitions.set(kindOf(name), (this.#definitions.get(kindOf(name)) ?? 0) + 1)
        break
      case SECTION.history: {
        const revision = Number(name.readBigUInt64BE(1))
        this.#history = { from: this.#history?.from ?? revision, to: revision }
        break
      }
      case SECTION.idempotency:
        this.#idempotencyKeys++
        break
      case SECTION.members:
        // Its checksum says that this program wrote it.
        this.#members.push({
          ...(JSON.parse(payload.toString()) as NodeAddress),
          id: numberOf(name),
        })
        break
      default:
    }
  }
}

function damaged(how: string): RaftwayError {
  return new RaftwayError('BACKUP_DAMAGED', `the backup is damaged: ${how}`)
}
