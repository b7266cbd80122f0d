import type { Disk, Write } from './disk.ts'
import { metaKey } from './keys.ts'
import { sealJson, unsealJson } from './seal.ts'

/** A small value of the node itself, not of the replicated state. */
export function putMeta(name: string, value: unknown): Write {
  const key = metaKey(name)
  return { type: 'put', key, value: sealJson(key, value) }
}

/** What `putMeta` wrote last, or null. STORAGE_CORRUPT when it is damaged. */
export async function getMeta(disk: Disk, name: string): Promise<unknown> {
  const key = metaKey(name)
  const sealed = await disk.get(key)
  return sealed === null ? null : unsealJson(key, sealed, `${name} in ${disk.path}`)
}

/** Small durable notes by key: what a node must not forget beside its log, such as a promise made while forming. */
export class Notes {
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** The JSON value that was put last, or null. */
  get(key: string): Promise<unknown> {
    return getMeta(this.#disk, `note/${key}`)
  }

  /** Resolves when the value is durable. STORAGE_FAILED. */
  put(key: string, value: unknown): Promise<void> {
    return this.#disk.write({ sync: true, batch: () => [putMeta(`note/${key}`, value)] })
  }
}
