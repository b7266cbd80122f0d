/** Where spans go, as workers need to know it. Goes from thread to thread, so plain data. */
export type TraceSettings = {
  /** Name of the gateway, as it stands in every export. */
  readonly gateway: string
  /** Where spans are posted, as OTLP in JSON. */
  readonly url: string
  /** Share of the traces that begin here and are recorded, 0 to 1. */
  readonly sample: number
}
