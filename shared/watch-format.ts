// Apart from the schemas of the protocol, which gateways do without.

/** Response header of a watch: in which format its lines are. */
export const WATCH_FORMAT_HEADER = 'raftway-watch-format'

/** The format that this program writes and reads. One that older readers would misread gets the next number. */
export const WATCH_FORMAT = 1

/** Why a watch with this header cannot be followed; null if it can. Without the header it is of the first format. */
export function watchFormatIssue(header: string | readonly string[] | undefined): string | null {
  if (header === undefined || header === String(WATCH_FORMAT)) return null
  return `the node writes its watch in format ${String(header)}, and this program reads format ${WATCH_FORMAT}: upgrade it`
}
