import type { KeyRange } from './keys.ts'

export type Write =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

/** One atomic write. */
export type WriteJob = {
  /** Whether it must be on the platter when the write resolves, with everything before it. */
  readonly sync: boolean
  /** Makes the batch when it is this job's turn, so that it rests on what the jobs before it left. */
  batch(): readonly Write[]
  /** Runs right after the batch is written, before the next job's turn. */
  done?(): void
}

/** A view of the database that later writes do not change. Close it. */
export type DiskSnapshot = { close(): Promise<void> }

/** What a walk over keys may be told beside its range. */
export type WalkOptions = {
  readonly snapshot?: DiskSnapshot
  readonly reverse?: boolean
}

/**
 * The one database of a node, opened: a port, so that a simulation can own it. Writes go one at a time, in the order
 * of the calls. After a write failed nobody knows what the disk holds: every later write fails with the same error,
 * and the process must end.
 */
export type Disk = {
  /** Where it is, for people. */
  readonly path: string
  /** Writes all or nothing, in turn. Throws STORAGE_FAILED; what `batch` throws is passed on and changes nothing. */
  write(job: WriteJob): Promise<void>
  /** Resolves when every write that was asked for before is done or has failed. */
  settled(): Promise<void>
  get(key: Buffer, snapshot?: DiskSnapshot): Promise<Buffer | null>
  snapshot(): DiskSnapshot
  /** Pages of keys and values in order. Whoever stops early must end the loop by `break` or `return`. */
  pages(range: KeyRange, options?: WalkOptions): AsyncGenerator<[Buffer, Buffer][]>
  /** The first key in a range, or null. */
  firstKey(range: KeyRange): Promise<Buffer | null>
  /** Deletes a range, not atomically, beside other writes: only for what nothing reads any more. */
  clear(range: KeyRange): Promise<void>
  /** About how many bytes a range takes on the disk; what was written just now may be missing. */
  approximateBytes(range: KeyRange): Promise<number>
  /** Gives the room of deleted keys in a range back to the disk. Takes as long as rewriting what is left of it. */
  compact(range: KeyRange): Promise<void>
  /** Waits for the writes that were asked for, and unlocks. */
  close(): Promise<void>
}
