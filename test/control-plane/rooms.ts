import type { DiskRoom, Room } from '../../control-plane/ports.ts'

/** A disk whose room a test decides. */
export class TestRoom implements DiskRoom {
  freeBytes = 2 ** 40
  #room: Room = 'plenty'
  readonly #listeners = new Set<(room: Room) => void>()

  look(): Room {
    return this.#room
  }

  onRoom(listener: (room: Room) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  become(room: Room): void {
    this.#room = room
    for (const hear of this.#listeners) hear(room)
  }
}
