import { assert } from '../../shared/assert.ts'
import { SERIES_NAME_BYTES_MAX } from '../../shared/limits.ts'

/** How many series of a kind one worker keeps, and how many numbers each of them has. */
export type SeriesShape = { readonly seriesMax: number; readonly slots: number }

/** The series that counts what has none of its own, once there are `seriesMax`. */
export const OTHER = 'other'

/** Version of the names, count of the series. */
const HEAD_BYTES = 8
const VERSION = 0
const COUNT = 1

/**
 * Counters by name, of one worker, in memory that the supervisor reads: names beside their numbers, so that whoever
 * takes over the memory of a worker that died goes on where it stopped.
 *
 *     version, count │ name 0 = other │ name 1 … │ numbers of 0 │ numbers of 1 …
 *
 * One writer. The version is odd while names change; a reader that saw it change reads again.
 */
export class SeriesTable {
  /** Numbers of all series; those of a series begin at its `place`. */
  readonly values: Float64Array
  readonly #shape: SeriesShape
  readonly #head: Int32Array
  readonly #names: Uint8Array
  /** Name → where its numbers begin. */
  readonly #places = new Map<string, number>()

  constructor(memory: SharedArrayBuffer, worker: number, shape: SeriesShape) {
    const from = worker * bytesOf(shape)
    const namesBytes = shape.seriesMax * SERIES_NAME_BYTES_MAX
    this.#shape = shape
    this.#head = new Int32Array(memory, from, 2)
    this.#names = new Uint8Array(memory, from + HEAD_BYTES, namesBytes)
    this.values = new Float64Array(
      memory,
      from + HEAD_BYTES + namesBytes,
      shape.seriesMax * shape.slots,
    )
    // A worker that died within a change of names left an odd version.
    if (this.#version % 2 === 1) Atomics.add(this.#head, VERSION, 1)
    if (this.#count === 0) this.#write(0, OTHER)
    for (let at = 0; at < this.#count; at++) this.#places.set(this.#nameAt(at), at * shape.slots)
  }

  get isFull(): boolean {
    return this.#count === this.#shape.seriesMax
  }

  /** Where the numbers of a series begin in `values`; those of `other` when there is no room for another one. */
  place(name: string): number {
    const known = this.#places.get(name)
    if (known !== undefined) return known
    if (this.isFull || name.length > SERIES_NAME_BYTES_MAX) return 0
    return this.#take(this.#count, name)
  }

  /** Makes room: series of names that are no more are counted as `other` from now on. */
  forget(isLive: (name: string) => boolean): void {
    for (const name of Array.from(this.#places.keys())) {
      if (name !== OTHER && !isLive(name)) this.#remove(name)
    }
  }

  #remove(name: string): void {
    const { slots } = this.#shape
    const place = this.#places.get(name) ?? 0
    const last = this.#count - 1
    for (let slot = 0; slot < slots; slot++) {
      this.values[slot] = (this.values[slot] ?? 0) + (this.values[place + slot] ?? 0)
    }
    this.#places.delete(name)
    Atomics.add(this.#head, VERSION, 1)
    if (last * slots !== place) {
      // The last one moves into the gap.
      this.values.copyWithin(place, last * slots, (last + 1) * slots)
      this.#places.set(this.#nameAt(last), place)
      this.#copyName(last, place / slots)
    }
    Atomics.sub(this.#head, COUNT, 1)
    Atomics.add(this.#head, VERSION, 1)
  }

  get #version(): number {
    return Atomics.load(this.#head, VERSION)
  }

  get #count(): number {
    return Atomics.load(this.#head, COUNT)
  }

  #take(at: number, name: string): number {
    const { slots } = this.#shape
    this.values.fill(0, at * slots, (at + 1) * slots)
    this.#write(at, name)
    this.#places.set(name, at * slots)
    return at * slots
  }

  #write(at: number, name: string): void {
    assert(name.length <= SERIES_NAME_BYTES_MAX, 'a name has room')
    const from = at * SERIES_NAME_BYTES_MAX
    this.#names.fill(0, from, from + SERIES_NAME_BYTES_MAX)
    for (let i = 0; i < name.length; i++) this.#names[from + i] = name.charCodeAt(i)
    // The name is whole before it counts.
    Atomics.store(this.#head, COUNT, at + 1)
  }

  #copyName(from: number, to: number): void {
    const size = SERIES_NAME_BYTES_MAX
    this.#names.copyWithin(to * size, from * size, (from + 1) * size)
  }

  #nameAt(at: number): string {
    return nameIn(this.#names, at)
  }
}

/** One memory for the series of all workers. */
export function makeSeries(workers: number, shape: SeriesShape): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * bytesOf(shape))
}

/** The numbers of all workers by name; `other` comes first. */
export function sumSeries(
  memory: SharedArrayBuffer,
  shape: SeriesShape,
): ReadonlyMap<string, Float64Array> {
  const sums = new Map<string, Float64Array>([[OTHER, new Float64Array(shape.slots)]])
  const bytes = bytesOf(shape)
  for (let from = 0; from < memory.byteLength; from += bytes) {
    for (const [name, values] of settled(memory, from, shape)) {
      const sum = sums.get(name) ?? new Float64Array(shape.slots)
      for (let slot = 0; slot < shape.slots; slot++) {
        sum[slot] = (sum[slot] ?? 0) + (values[slot] ?? 0)
      }
      sums.set(name, sum)
    }
  }
  return sums
}

const READS_MAX = 4

/** The series of one worker, read while their names did not change. */
function settled(
  memory: SharedArrayBuffer,
  from: number,
  shape: SeriesShape,
): readonly (readonly [string, Float64Array])[] {
  const head = new Int32Array(memory, from, 2)
  let found: (readonly [string, Float64Array])[] = []
  for (let read = 0; read < READS_MAX; read++) {
    const version = Atomics.load(head, VERSION)
    const copy = new Uint8Array(bytesOf(shape))
    copy.set(new Uint8Array(memory, from, bytesOf(shape)))
    const count = new Int32Array(copy.buffer, 0, 2)[COUNT] ?? 0
    const namesBytes = shape.seriesMax * SERIES_NAME_BYTES_MAX
    const names = copy.subarray(HEAD_BYTES, HEAD_BYTES + namesBytes)
    const values = new Float64Array(copy.buffer, HEAD_BYTES + namesBytes)
    found = Array.from({ length: count }, (_, at) => {
      const own = values.subarray(at * shape.slots, (at + 1) * shape.slots)
      return [nameIn(names, at), own] as const
    })
    if (version % 2 === 0 && Atomics.load(head, VERSION) === version) break
  }
  return found
}

function nameIn(names: Uint8Array, at: number): string {
  const from = at * SERIES_NAME_BYTES_MAX
  const end = names.indexOf(0, from)
  const whole = from + SERIES_NAME_BYTES_MAX
  return String.fromCharCode(...names.subarray(from, end === -1 || end > whole ? whole : end))
}

function bytesOf({ seriesMax, slots }: SeriesShape): number {
  return HEAD_BYTES + seriesMax * (SERIES_NAME_BYTES_MAX + slots * Float64Array.BYTES_PER_ELEMENT)
}
