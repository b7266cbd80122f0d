import type { DiskRoom, Room } from '../../control-plane/ports.ts'

/** What a machine is told of the room on its disk. Changed by the weather. */
export class VirtualSpace implements DiskRoom {
  #room: Room = 'plenty'
  readonly #listeners = new Set<(room: Room) => void>()

  get freeBytes(): number {
    return { plenty: 1_000_000, low: 1_000, none: 0 }[this.#room]
  }

  look(): Room {
    return this.#room
  }

  onRoom(listener: (room: Room) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  become(room: Room): void {
    if (room === this.#room) return
    this.#room = room
    for (const hear of this.#listeners) hear(room)
  }

  /** The process that listened is gone. */
  forget(): void {
    this.#listeners.clear()
  }
}
