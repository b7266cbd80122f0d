import { randomFillSync } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError } from '../../shared/errors.ts'
import { DISK_LOOK_MS, DISK_POLL_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { DiskRoom, Room } from '../ports.ts'

const BALLAST = 'ballast'
/** The ballast is made once the disk has fewer than so many reserves left. */
const BALLAST_RESERVES = 8
/** What a disk must have above the reserve to count as having room again, in shares of the reserve. */
const RECOVERY_SHARE = 4
const PIECE_BYTES = 256 * 1024

/** Bytes that an unprivileged process may still write to the file system of a directory. */
function freeBytesOf(dir: string): number {
  const { bavail, bsize } = statfsSync(dir)
  return bavail * bsize
}

/**
 * How much room the disk of a data directory has, against a reserve R:
 *
 *   plenty   R or more: everything goes on
 *   low      less than R: no new writes are taken, nothing large is begun; what is replicated is still taken in
 *   none     less than R / 2: nothing is written at all
 *
 * On a disk that comes near its end a ballast file of R / 2 is kept. It is given back when there is no room left, so
 * that what the database does in the background, and a restart, still have room on a disk that others have filled to
 * the last byte. What it gave back is not counted as room.
 */
export class DiskSpace implements DiskRoom {
  readonly #dir: string
  readonly #reserveBytes: number
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #freeBytesOf: (dir: string) => number
  readonly #listeners = new Set<(room: Room) => void>()
  readonly #stop: () => void
  #hasBallast: boolean
  /** The ballast was given back and is still owed. */
  #isSpent = false
  #ballasting: Promise<void> = Promise.resolve()
  #free = Number.POSITIVE_INFINITY
  #room: Room = 'plenty'
  #lookedMs = Number.NEGATIVE_INFINITY

  private constructor(options: DiskSpaceOptions, hasBallast: boolean) {
    this.#dir = options.dir
    this.#reserveBytes = options.reserveBytes
    this.#clock = options.clock
    this.#logger = options.logger
    this.#freeBytesOf = options.freeBytesOf ?? freeBytesOf
    this.#hasBallast = hasBallast
    this.look()
    this.#stop = this.#clock.every(DISK_POLL_MS, () => this.#poll())
  }

  /** Begins to watch a directory that exists. Gives the ballast back at once if there is no room to start in. */
  static async open(options: DiskSpaceOptions): Promise<DiskSpace> {
    const path = join(options.dir, BALLAST)
    await rm(`${path}.partial`, { force: true })
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    )
    // One of another size is of another reserve, or was not finished.
    const isRight = size === ballastBytes(options.reserveBytes)
    if (size > 0 && !isRight) await rm(path, { force: true })
    const space = new DiskSpace(options, isRight && size > 0)
    await space.#ballasting
    return space
  }

  get freeBytes(): number {
    return this.#free
  }

  /** How it stands, at most DISK_LOOK_MS old: a look takes some microseconds. */
  look(): Room {
    const nowMs = this.#clock.monotonic()
    if (nowMs - this.#lookedMs < DISK_LOOK_MS) return this.#room
    this.#lookedMs = nowMs
    try {
      this.#free = this.#freeBytesOf(this.#dir)
    } catch (error) {
      this.#logger.warn({ reason: describeError(error) }, 'the free space cannot be read')
      return this.#room
    }
    this.#become(this.#roomOf(this.#free))
    return this.#room
  }

  onRoom(listener: (room: Room) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#stop()
    this.#listeners.clear()
    await this.#ballasting
  }

  #roomOf(free: number): Room {
    const bytes = this.#isSpent ? free - ballastBytes(this.#reserveBytes) : free
    if (bytes < this.#reserveBytes / 2) return 'none'
    if (bytes < this.#reserveBytes) return 'low'
    const needed = this.#reserveBytes + Math.ceil(this.#reserveBytes / RECOVERY_SHARE)
    // Not back and forth at the edge.
    return this.#room !== 'plenty' && bytes < needed ? 'low' : 'plenty'
  }

  #become(room: Room): void {
    if (room === 'none' && this.#hasBallast) this.#releaseBallast()
    if (room === this.#room) return
    const before = this.#room
    this.#room = room
    const fields = { freeBytes: this.#free, reserveBytes: this.#reserveBytes, dir: this.#dir }
    if (room === 'plenty') this.#logger.info(fields, 'the disk has room again')
    else if (before === 'plenty')
      this.#logger.error(fields, 'the disk is full: no new writes are taken')
    else if (room === 'none') this.#logger.error(fields, 'the disk is full: nothing is written')
    else this.#logger.warn(fields, 'the disk is almost full')
    for (const hear of this.#listeners) hear(room)
  }

  #poll(): void {
    if (this.look() !== 'plenty' || this.#hasBallast) return
    const bytes = ballastBytes(this.#reserveBytes)
    const isNear = this.#free < BALLAST_RESERVES * this.#reserveBytes
    const fits = this.#free >= this.#reserveBytes + this.#reserveBytes / RECOVERY_SHARE + bytes
    if (this.#isSpent && !isNear) this.#isSpent = false
    if (isNear && fits) this.#makeBallast()
  }

  #releaseBallast(): void {
    this.#hasBallast = false
    this.#isSpent = true
    this.#inTurn(() => rm(join(this.#dir, BALLAST), { force: true }))
  }

  #makeBallast(): void {
    this.#hasBallast = true
    this.#isSpent = false
    this.#inTurn(async () => {
      const path = join(this.#dir, BALLAST)
      const file = await open(`${path}.partial`, 'w')
      try {
        const piece = Buffer.allocUnsafe(PIECE_BYTES)
        for (let left = ballastBytes(this.#reserveBytes); left > 0; left -= piece.length) {
          // Bytes of chance: a file system that compresses must keep all of them.
          randomFillSync(piece)
          await file.writeFile(left < piece.length ? piece.subarray(0, left) : piece)
        }
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(`${path}.partial`, path)
    })
  }

  #inTurn(work: () => Promise<void>): void {
    this.#ballasting = this.#ballasting.then(work).catch(async (error: unknown) => {
      this.#hasBallast = false
      this.#logger.warn({ reason: describeError(error) }, 'the ballast cannot be kept')
      await rm(join(this.#dir, `${BALLAST}.partial`), { force: true }).catch(() => {})
    })
  }
}

type DiskSpaceOptions = {
  readonly dir: string
  readonly reserveBytes: number
  readonly clock: Clock
  readonly logger: Logger
  /** Where the number comes from; the file system unless a test says otherwise. */
  readonly freeBytesOf?: (dir: string) => number
}

function ballastBytes(reserveBytes: number): number {
  return Math.floor(reserveBytes / 2)
}
