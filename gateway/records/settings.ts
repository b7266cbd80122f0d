/** How much of a query string is recorded. `mask`: names, and `*` in place of every value. */
export const QUERY_FORMS = ['mask', 'all', 'none'] as const

export type QueryForm = (typeof QUERY_FORMS)[number]

/** What workers need to know of access records. Goes from thread to thread, so plain data. */
export type RecordSettings = {
  /** Name of the gateway, as it stands in every record. */
  readonly gateway: string
  /** `json`, `common`, `combined`, or a template such as `{client} {status}`. */
  readonly format: string
  readonly query: QueryForm
  /** Share of the requests that are recorded, 0 to 1, where the route says nothing. */
  readonly sample: number
}

/** Where records go, and how large a file of them may grow. */
export type RecordDestination = {
  /** Null: standard output. */
  readonly path: string | null
  /** Beyond it the file is renamed and begun anew; null: never. */
  readonly bytesMax: number | null
  /** Renamed files that are kept, `path.1` the newest. */
  readonly kept: number
}
