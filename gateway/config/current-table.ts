import {
  EMPTY_TABLE,
  hasRoute,
  hasUpstream,
  type RoutingTable,
} from '../../shared/routing/table.ts'

/** Holds the table that new requests use. */
export class CurrentTable {
  #table: RoutingTable = EMPTY_TABLE
  #hasConfig = false

  /** Read once per request: a request keeps the table it started with. */
  get table(): RoutingTable {
    return this.#table
  }

  /** Whether any config was ever adopted; an empty config is one. */
  get hasConfig(): boolean {
    return this.#hasConfig
  }

  /** Whether there is a route of this id now. */
  hasRoute(id: string): boolean {
    return hasRoute(this.#table, id)
  }

  /** Whether there is an upstream of this key now. */
  hasUpstream(key: string): boolean {
    return hasUpstream(this.#table, key)
  }

  /** The swap. Everything that can fail has already succeeded. */
  swap(table: RoutingTable): void {
    this.#table = table
    this.#hasConfig = true
  }
}
