import type {
  Disk,
  DiskSnapshot,
  WalkOptions,
  WriteJob,
} from '../../../control-plane/storage/disk.ts'
import type { KeyRange } from '../../../control-plane/storage/keys.ts'

/** A real disk whose synchronous writes wait while a test holds them, as on a machine that is busy. */
export class HeldDisk implements Disk {
  readonly #disk: Disk
  #held: (() => void)[] | null = null

  constructor(disk: Disk) {
    this.#disk = disk
  }

  get path(): string {
    return this.#disk.path
  }

  /** Synchronous writes that wait. */
  get waiting(): number {
    return this.#held?.length ?? 0
  }

  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const go of held) go()
  }

  async write(job: WriteJob): Promise<void> {
    const held = this.#held
    if (job.sync && held !== null) await new Promise<void>((resolve) => held.push(resolve))
    return this.#disk.write(job)
  }

  settled(): Promise<void> {
    return this.#disk.settled()
  }

  get(key: Buffer, snapshot?: DiskSnapshot): Promise<Buffer | null> {
    return this.#disk.get(key, snapshot)
  }

  snapshot(): DiskSnapshot {
    return this.#disk.snapshot()
  }

  pages(range: KeyRange, options?: WalkOptions): AsyncGenerator<[Buffer, Buffer][]> {
    return this.#disk.pages(range, options)
  }

  approximateBytes(range: KeyRange): Promise<number> {
    return this.#disk.approximateBytes(range)
  }

  compact(range: KeyRange): Promise<void> {
    return this.#disk.compact(range)
  }

  firstKey(range: KeyRange): Promise<Buffer | null> {
    return this.#disk.firstKey(range)
  }

  clear(range: KeyRange): Promise<void> {
    return this.#disk.clear(range)
  }

  close(): Promise<void> {
    return this.#disk.close()
  }
}
