import { quoted } from './json-record.ts'
import type { RecordSettings } from './settings.ts'
import { millisText, MomentText, type Timing } from './timing.ts'

/** What is told of a connection of a Stream that is over. */
export type ConnectionRecord = {
  readonly client: string
  readonly stream: string
  readonly port: number
  /** Null: none was asked for, or nobody looked. */
  readonly serverName: string | null
  readonly upstream: string
  /** The last that was called; null: none. */
  readonly target: string | null
  readonly attempts: number
  /** Why it came to nothing; null when it was passed on. */
  readonly code: string | null
  readonly receivedBytes: number
  readonly sentBytes: number
}

/** A connection that is over as one line, with its line end. */
type ConnectionFormat = (record: ConnectionRecord, timing: Timing) => string

/**
 * JSON with the members of a request's record where they mean the same, and `stream` in place of `api` and `route`. README
 * lists them.
 */
export function jsonConnectionFormat({ gateway }: RecordSettings): ConnectionFormat {
  const moments = new MomentText()
  const name = JSON.stringify(gateway)
  return (record, { startedAtMs, durationMs }) =>
    `{"time":"${moments.iso(startedAtMs)}","gateway":${name},"client":"${record.client}",` +
    `"protocol":"TCP","stream":"${record.stream}","port":${record.port},` +
    `"serverName":${quoted(record.serverName)},"code":${quoted(record.code)},` +
    `"upstream":"${record.upstream}","target":${quoted(record.target)},` +
    `"attempts":${record.attempts},"receivedBytes":${record.receivedBytes},` +
    `"sentBytes":${record.sentBytes},"durationMs":${millisText(durationMs)}}\n`
}
