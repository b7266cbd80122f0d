import { describeError, RaftwayError } from '../../shared/errors.ts'
import { ENTRY_BYTES_MAX } from '../../shared/limits.ts'
import type { Command } from '../ports.ts'

/** First byte of every command. A later version of the format gets the next number, never this one. */
const FORMAT_VERSION = 1
/** The same as text: below 128, UTF-8 writes a character as the byte of its number. */
const FORMAT_PREFIX = String.fromCharCode(FORMAT_VERSION)

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** The bytes of a command in the log: one byte of format version, then JSON. Throws BODY_TOO_LARGE. */
export function encodeCommand(command: Command): Uint8Array {
  const data = encoder.encode(FORMAT_PREFIX + JSON.stringify(command))
  if (data.length > ENTRY_BYTES_MAX) {
    const detail = `the write takes ${data.length} bytes, ${ENTRY_BYTES_MAX} is the most (ENTRY_BYTES_MAX)`
    throw new RaftwayError('BODY_TOO_LARGE', detail)
  }
  return data
}

/**
 * Reads a command back. Throws STORAGE_CORRUPT on damage, and on a format of a later version: a command that cannot
 * be read must stop the node, because skipping it would let replicas differ.
 */
export function decodeCommand(data: Uint8Array): Command {
  const version = data[0]
  if (version === undefined) throw new RaftwayError('STORAGE_CORRUPT', 'a command has no bytes')
  if (version !== FORMAT_VERSION) {
    const detail = `a command has format ${version}, this version of raftway reads ${FORMAT_VERSION}: upgrade this node`
    throw new RaftwayError('STORAGE_CORRUPT', detail)
  }
  const command = parse(data.subarray(1))
  if (!isCommand(command)) {
    const detail =
      'a command has a type that this version of raftway does not know: upgrade this node'
    throw new RaftwayError('STORAGE_CORRUPT', detail)
  }
  return command
}

function parse(json: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(json))
  } catch (error) {
    const detail = `a command cannot be read: ${describeError(error)}`
    throw new RaftwayError('STORAGE_CORRUPT', detail, { cause: error })
  }
}

/** The envelope only: what is inside was checked before it was proposed, and the log is checksummed. */
function isCommand(value: unknown): value is Command {
  if (value === null || typeof value !== 'object') return false
  const { type, operations, address, access } = value as Readonly<Record<string, unknown>>
  if (type === 'write') return Array.isArray(operations)
  if (type === 'access') return access !== null && typeof access === 'object'
  return type === 'member' && address !== null && typeof address === 'object'
}
