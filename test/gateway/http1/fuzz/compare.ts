// Two readings of the same bytes: both accept with the same meaning, or ours is stricter for a stated reason.
import { readRequests, readResponses, split, type Reading } from '../reading.ts'
import type { Random } from '../../../../shared/random.ts'
import { stream } from './generate.ts'
import { oracle, type Verdict } from './oracle.ts'

/** Why ours refuses what the oracle may take: message of the refusal → rule. */
const STRICTER: Readonly<Record<string, string>> = {
  'a field has no name, or one that is no token': 'RFC 9110 5.1, RFC 9112 5.1 and 5.2',
  'a field value has a control character, or a line does not end in CRLF':
    'RFC 9110 5.5, RFC 9112 2.2',
  'a field name differs from a known one only in "_" for "-"':
    'servers that take one for the other',
  'the request line is malformed': 'RFC 9112 3, RFC 3986 2',
  'the status line is malformed': 'RFC 9112 4',
  'there is no such status': 'RFC 9110 15',
  'only HTTP/1.1 and HTTP/1.0 are spoken here': 'RFC 9110 6.2',
  'the answer is neither HTTP/1.1 nor HTTP/1.0': 'RFC 9110 6.2',
  'the request target is neither a path nor an http url': 'RFC 9112 3.2',
  'the request target names no host': 'RFC 9110 4.2.1',
  'the request target has a fragment': 'RFC 9112 3.2.1, RFC 3986 3.5',
  'the host is malformed': 'RFC 9112 3.2',
  'the path has a dot segment':
    'RFC 3986 6.2.2.3: servers that resolve it, and servers that do not',
  'CONNECT is not served here': 'RFC 9110 9.3.6',
  'there is no Host': 'RFC 9112 3.2',
  'the request target and Host name different hosts': 'RFC 9112 3.2',
  'the request target has another scheme than the connection': 'RFC 9110 7.4',
  'there is more than one Host': 'RFC 9112 3.2',
  'the only expectation that can be met is 100-continue': 'RFC 9110 10.1.1',
  'Content-Length is not a number of bytes': 'RFC 9110 8.6',
  'there is more than one Content-Length': 'RFC 9112 6.3',
  'there are both Content-Length and Transfer-Encoding': 'RFC 9112 6.3',
  'there is more than one Transfer-Encoding': 'RFC 9112 6.1 and 7.1',
  'HTTP/1.0 has no Transfer-Encoding': 'RFC 9112 6.1',
  'the last transfer coding is not chunked': 'RFC 9112 6.3',
  'the only transfer coding that is taken is chunked': 'RFC 9112 6.1: 501',
  'a chunk size is not plain hexadecimal': 'RFC 9112 7.1',
  'a chunk size is too large': 'RFC 9112 7.1: overflows, and zeros without end',
  'a chunk extension is too long': 'RFC 9112 7.1.1',
  'a chunk line does not end in CRLF, or its extension is malformed': 'RFC 9112 2.2 and 7.1.1',
  'a chunk is not followed by CRLF': 'RFC 9112 7.1',
  'a field that says where a message goes or ends stands behind it': 'RFC 9110 6.5.1',
}

/** What ours may take that the oracle refuses: its code → rule. */
const WIDER: Readonly<Record<string, string>> = {
  HPE_INVALID_METHOD: 'RFC 9110 9.1: any token is a method',
}

/** What became of many streams. */
export type Tally = {
  streams: number
  messages: number
  /** Streams that ours refused earlier than the oracle, by reason. */
  readonly stricter: Map<string, number>
  /** Streams that were read in two ways; should be none. */
  readonly differences: string[]
}

export function newTally(): Tally {
  return { streams: 0, messages: 0, stricter: new Map(), differences: [] }
}

/** Generates one stream, reads it both ways, and adds to the tally. */
export function step(kind: 'requests' | 'responses', random: Random, tally: Tally): void {
  const text = stream(kind, random)
  const bytes = Buffer.from(text, 'latin1')
  const pieces = random.below(2) === 0 ? [bytes] : split(bytes, [random.next(), random.next()])
  const ours = kind === 'requests' ? readRequests(pieces) : readResponses('GET', pieces)
  const theirs = oracle(kind, bytes)
  tally.streams += 1
  tally.messages += Math.max(1, ours.messages.length, theirs.messages.length)
  const difference = compare(ours, theirs, tally)
  if (difference !== null) tally.differences.push(`${difference}: ${JSON.stringify(text)}`)
}

function compare(ours: Reading, theirs: Verdict, tally: Tally): string | null {
  const common = Math.min(ours.messages.length, theirs.messages.length)
  for (let i = 0; i < common; i++) {
    const [mine, other] = [ours.messages[i], theirs.messages[i]]
    if (JSON.stringify(mine) !== JSON.stringify(other)) {
      return `message ${i} is ${JSON.stringify(mine)} or ${JSON.stringify(other)}`
    }
  }
  if (ours.messages.length > common) {
    if (theirs.isStopped) return null
    const { error } = theirs
    return error !== null && error in WIDER ? null : `only ours takes message ${common} (${error})`
  }
  const isEarlier =
    theirs.messages.length > common || (ours.refusal !== null && theirs.error === null)
  if (!isEarlier || theirs.isStopped) return null
  const reason = ours.refusal?.message
  if (reason === undefined)
    return `only the oracle takes message ${common}, and ours waits for more`
  if (!(reason in STRICTER)) return `ours refuses without a stated reason: ${reason}`
  tally.stricter.set(reason, (tally.stricter.get(reason) ?? 0) + 1)
  return null
}
