import { z } from 'zod'
import { ERROR_CODES, RaftwayError, type ErrorCode } from '../../shared/errors.ts'
import { releaseSchema } from '../../shared/features.ts'
import { encodeFrame } from '../../shared/framing.ts'
import { FRAME_BYTES_MAX } from '../../shared/limits.ts'
import type { PeerIdentity, PeerNote } from '../ports.ts'
import { malformed } from './bytes.ts'

/** Versions of the protocol between nodes that a program speaks, from the oldest to the newest. */
export type Protocols = { readonly min: number; readonly max: number }

/** Two nodes talk in the newest version that both speak, and refuse each other if there is none. */
export const PROTOCOLS: Protocols = { min: 1, max: 1 }

/**
 * What a frame between nodes is. The side that dialled says `hello`, the other answers `welcome` or `refuse`; then
 *
 *   purpose    dialler                     other side
 *   messages   message, note               -
 *   calls      call                        answer, error
 *   snapshot   message, chunk…, end        done or error
 *   enrol      call                        answer, error      the only one without a certificate
 *   any        ping                        ping
 */
export const FRAME = {
  hello: 1,
  welcome: 2,
  refuse: 3,
  ping: 4,
  message: 5,
  note: 6,
  call: 7,
  answer: 8,
  error: 9,
  chunk: 10,
  end: 11,
  done: 12,
} as const

const identitySchema = z.object({
  clusterId: z.string().min(1).max(64).nullable(),
  id: z.int().min(1),
  name: z.string().min(1).max(253),
  api: z.string().max(2_048),
  peer: z.string().max(300),
  release: releaseSchema.optional(),
})

const helloSchema = identitySchema.extend({
  /** The newest version that the dialler speaks. */
  protocol: z.int(),
  /** The oldest; absent: it speaks only one. */
  protocolMin: z.int().optional(),
  purpose: z.enum(['messages', 'calls', 'snapshot', 'enrol']),
})

/** What a link is for; each has its own connection, so that none waits behind another. */
export type Purpose = z.infer<typeof helloSchema>['purpose']

export type Hello = z.infer<typeof helloSchema>

const noteSchema = z.object({ type: z.string().min(1).max(64), body: z.unknown() })
const callSchema = noteSchema.extend({ id: z.int().min(0) })
const answerSchema = z.object({
  id: z.int().min(0),
  clusterId: z.string().nullable(),
  body: z.unknown(),
})

const errorSchema = z.object({
  /** Of the call that failed; null on other links. */
  id: z.int().min(0).nullable(),
  code: z.string(),
  detail: z.string(),
  issues: z.array(z.object({ path: z.string(), message: z.string() })),
  extra: z.record(z.string(), z.unknown()),
})

export type WireError = z.infer<typeof errorSchema>

export const PING = encodeFrame(FRAME.ping, new Uint8Array(0))

/** A frame with JSON in it; BODY_TOO_LARGE when it does not fit. */
export function encodeJson(type: number, value: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(value))
  if (text.length < FRAME_BYTES_MAX) return encodeFrame(type, text)
  throw new RaftwayError('BODY_TOO_LARGE', `${text.length} bytes do not fit into one frame`)
}

/** The first frame of whoever dialled. */
export function encodeHello(
  self: PeerIdentity,
  purpose: Purpose,
  { min, max }: Protocols = PROTOCOLS,
): Buffer {
  const said = { ...identityOf(self), protocol: max, protocolMin: min, purpose }
  return encodeJson(FRAME.hello, said)
}

export function encodeWelcome(self: PeerIdentity): Buffer {
  return encodeJson(FRAME.welcome, identityOf(self))
}

/** An error on its way to the other node. What is not a RaftwayError keeps its text to itself. */
export function encodeError(type: number, id: number | null, error: unknown): Buffer {
  const known =
    error instanceof RaftwayError
      ? error
      : new RaftwayError('INTERNAL', 'the peer failed; its log says why')
  const { code, message: detail, issues, extra } = known
  return encodeJson(type, { id, code, detail, issues, extra })
}

/** The error that the other node meant; a code that this node does not know becomes INTERNAL. */
export function toRaftwayError(error: WireError): RaftwayError {
  const code: ErrorCode = Object.hasOwn(ERROR_CODES, error.code)
    ? (error.code as ErrorCode)
    : 'INTERNAL'
  return new RaftwayError(code, error.detail, { issues: error.issues, extra: error.extra })
}

/** Each throws FRAME_CORRUPT. */
export function decodeHello(payload: Uint8Array): Hello {
  return decodeJson(helloSchema, payload)
}

export function decodeWelcome(payload: Uint8Array): PeerIdentity {
  return decodeJson(identitySchema, payload)
}

export function decodeError(payload: Uint8Array): WireError {
  return decodeJson(errorSchema, payload)
}

export function decodeNote(payload: Uint8Array): PeerNote {
  return decodeJson(noteSchema, payload)
}

export function decodeCall(payload: Uint8Array): PeerNote & { readonly id: number } {
  return decodeJson(callSchema, payload)
}

export function decodeAnswer(payload: Uint8Array): z.infer<typeof answerSchema> {
  return decodeJson(answerSchema, payload)
}

function decodeJson<T>(schema: z.ZodType<T>, payload: Uint8Array): T {
  try {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    return schema.parse(JSON.parse(bytes.toString()))
  } catch (cause) {
    throw malformed('its JSON is not as agreed', cause)
  }
}

/** Only what belongs on the wire. */
function identityOf(self: PeerIdentity): PeerIdentity {
  const { clusterId, id, name, api, peer, release } = self
  return { clusterId, id, name, api, peer, ...(release && { release }) }
}
