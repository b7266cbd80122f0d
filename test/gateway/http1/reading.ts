import { USUAL_BOUNDS } from '../../../gateway/http1/head-bounds.ts'
import { BODY, BodyReader } from '../../../gateway/http1/body-reader.ts'
import type { Fields } from '../../../gateway/http1/fields.ts'
import { isRefusal, readTargetFor } from '../../../gateway/listeners/request-target.ts'
import { HeadReader, MORE, REFUSED } from '../../../gateway/http1/head-reader.ts'
import type { Refusal } from '../../../gateway/http1/refusal.ts'
import { RequestHead } from '../../../gateway/http1/request-head.ts'
import { ResponseHead } from '../../../gateway/http1/response-head.ts'

/** A message as it was understood. */
export type ReadMessage = {
  /** `GET /path 1`, or `200 1`: what the first line said. */
  readonly line: string
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly trailers: readonly (readonly [name: string, value: string])[]
}

/** What a stream of bytes was understood as: whole messages, and how it ended. */
export type Reading = {
  readonly messages: readonly ReadMessage[]
  /** `refused` with a code and a reason; `more`: the last message is not whole; `end`: nothing is left over. */
  readonly outcome: 'end' | 'more' | 'refused'
  readonly refusal: Refusal | null
}

/** Reads requests from pieces, one after another, as a connection does. */
export function readRequests(pieces: readonly Buffer[]): Reading {
  const head = new RequestHead(USUAL_BOUNDS)
  return new StreamReader(head, {
    line: () => `${head.method} ${head.target} ${head.minor}`,
    refused: () => {
      const target = readTargetFor(head.method, head, 'http')
      return isRefusal(target) ? target : null
    },
    begin: (body) => {
      if (head.bodyLength === null) body.beginChunks()
      else body.beginLength(head.bodyLength)
    },
  }).read(pieces)
}

/** Reads answers to requests with a method from pieces. */
export function readResponses(method: string, pieces: readonly Buffer[]): Reading {
  const head = new ResponseHead()
  return new StreamReader(head, {
    line: () => `${head.status} ${head.minor}`,
    refused: () => null,
    begin: (body) => {
      const end = head.bodyEnd(method)
      if (end === 'chunks') body.beginChunks()
      else if (end === 'close') body.beginClose()
      else body.beginLength(end === 'length' ? (head.framing.contentLength ?? 0) : 0)
    },
  }).read(pieces)
}

type Kind = {
  readonly line: () => string
  readonly refused: () => Refusal | null
  readonly begin: (body: BodyReader) => void
}

class StreamReader {
  readonly #head: RequestHead | ResponseHead
  readonly #kind: Kind
  readonly #reader: HeadReader
  readonly #body = new BodyReader()
  readonly #messages: ReadMessage[] = []
  #isInBody = false
  #text = ''
  #refusal: Refusal | null = null

  constructor(head: RequestHead | ResponseHead, kind: Kind) {
    this.#head = head
    this.#kind = kind
    this.#reader = new HeadReader(head)
  }

  read(pieces: readonly Buffer[]): Reading {
    for (const piece of pieces) {
      if (this.#refusal === null) this.#take(piece)
    }
    const isOpen = this.#isInBody ? !this.#body.endsWithConnection : this.#reader.isPartial
    if (this.#isInBody && !isOpen) this.#finish()
    const outcome = this.#refusal !== null ? 'refused' : isOpen ? 'more' : 'end'
    return { messages: this.#messages, outcome, refusal: this.#refusal }
  }

  #take(piece: Buffer): void {
    for (let at = 0; at < piece.length;) {
      if (!this.#isInBody) {
        const next = this.#reader.read(piece, at, piece.length)
        if (next === MORE) return
        if (next === REFUSED) {
          this.#refusal = this.#head.refusal
          return
        }
        at = next
        this.#refusal = this.#kind.refused()
        if (this.#refusal !== null) return
        this.#isInBody = true
        this.#text = ''
        this.#kind.begin(this.#body)
      }
      for (;;) {
        const event = this.#body.next(piece, at, piece.length)
        at = this.#body.at
        if (event === BODY.PIECE) {
          this.#text += piece.toString('latin1', this.#body.start, this.#body.end)
        } else if (event === BODY.END) {
          this.#finish()
          break
        } else if (event === BODY.MORE) {
          return
        } else {
          this.#refusal = this.#body.refusal
          return
        }
      }
    }
  }

  #finish(): void {
    const { trailers } = this.#body
    this.#messages.push({
      line: this.#kind.line(),
      fields: pairsOf(this.#head.fields),
      body: this.#text,
      trailers: trailers === null ? [] : pairsOf(trailers),
    })
    this.#isInBody = false
    this.#reader.reset()
  }
}

function pairsOf(fields: Fields): [string, string][] {
  return Array.from({ length: fields.count }, (_, i) => [fields.nameAt(i), fields.valueAt(i)])
}

/** Cuts bytes at the given places. */
export function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  const pieces: Buffer[] = []
  let from = 0
  for (const cut of [...cuts, bytes.length]) {
    if (cut > from) pieces.push(bytes.subarray(from, cut))
    from = cut
  }
  return pieces
}

/** One byte a piece. */
export function bytewise(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1))
}
