// node:http's own parser (llhttp), as the oracle of differential fuzzing.
import type { ReadMessage } from '../reading.ts'

type Parser = {
  initialize(type: number, resource: object, headBytesMax: number, lenient: number): void
  execute(bytes: Buffer): number | (Error & { readonly code: string; readonly reason: string })
  finish(): undefined | (Error & { readonly code: string; readonly reason: string })
  [callback: number]: (...told: never[]) => unknown
}

type ParserClass = {
  new (): Parser
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
}

// The parser is no public module, but every Node has it.
const { HTTPParser, methods } = process.getBuiltinModule('node:_http_common') as unknown as {
  readonly HTTPParser: ParserClass
  readonly methods: readonly string[]
}

/** What the oracle understood of a stream. */
export type Verdict = {
  readonly messages: readonly ReadMessage[]
  /** Code of what was refused behind them; null when the rest, if any, only lacks its end. */
  readonly error: string | null
  /** The parser stops there by itself, whatever follows: a change of protocol, or `Connection: close`. */
  readonly isStopped: boolean
}

type Draft = {
  line: string
  fields: (readonly [string, string])[]
  body: string
  trailers: (readonly [string, string])[]
  isHeadDone: boolean
}

/** Used again and again: to make one costs more than to read with it. */
const parser = new HTTPParser()

/** Reads a stream of requests, or of answers to GET. */
export function oracle(kind: 'requests' | 'responses', bytes: Buffer): Verdict {
  const isRequest = kind === 'requests'
  parser.initialize(isRequest ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, 1 << 20, 0)
  const messages: ReadMessage[] = []
  let draft = newDraft()
  let isStopped = false
  // Behind trailers the parser tells the fields of the next head apart from its first line.
  let flushedUrl = ''
  parser[HTTPParser.kOnHeaders] = (list: string[], url: string) => {
    flushedUrl = url
    draft[draft.isHeadDone ? 'trailers' : 'fields'].push(...pairs(list))
  }
  parser[HTTPParser.kOnHeadersComplete] = (...told: never[]) => {
    const [, minor, list, method, url, status, , upgrade] = told as readonly unknown[]
    draft.fields.push(...pairs((list as string[] | null) ?? []))
    draft.line = isRequest
      ? `${methods[method as number] ?? ''} ${typeof url === 'string' ? url : flushedUrl} ${String(minor)}`
      : `${String(status)} ${String(minor)}`
    draft.isHeadDone = true
    if (upgrade === true) isStopped = true
    return 0
  }
  parser[HTTPParser.kOnBody] = (piece: Buffer) => {
    draft.body += piece.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    const { line, fields, body, trailers } = draft
    messages.push({ line, fields, body, trailers })
    draft = newDraft()
  }
  const executed = parser.execute(bytes)
  const result = typeof executed === 'number' ? parser.finish() : executed
  const code = result === undefined ? null : result.code
  if (code === 'HPE_CLOSED_CONNECTION') isStopped = true
  const isCut = code === 'HPE_INVALID_EOF_STATE'
  return { messages, error: isCut || isStopped ? null : code, isStopped }
}

function newDraft(): Draft {
  return { line: '', fields: [], body: '', trailers: [], isHeadDone: false }
}

function pairs(list: readonly string[]): (readonly [string, string])[] {
  const found: (readonly [string, string])[] = []
  for (let at = 0; at < list.length; at += 2) found.push([list[at] ?? '', list[at + 1] ?? ''])
  return found
}
