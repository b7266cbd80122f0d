import { KINDS } from '../../shared/definitions/kinds.ts'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import { ENTRY_BYTES_MAX } from '../../shared/limits.ts'
import type { Command } from '../ports.ts'

/** First byte of every command. A later version of the format gets the next number, never this one. */
const FORMAT_VERSION = 1
/** The same as text: below 128, UTF-8 writes a character as the byte of its number. */
const FORMAT_PREFIX = String.fromCharCode(FORMAT_VERSION)

const TYPES: readonly string[] = ['write', 'member', 'access', 'usage'] satisfies Command['type'][]

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
 * Reads a command back. Throws STORAGE_CORRUPT on damage, and VERSION_TOO_OLD on a format or a type of a later version:
 * a command that cannot be read must stop the node, because skipping it would let replicas differ.
 */
export function decodeCommand(data: Uint8Array): Command {
  const version = data[0]
  if (version === undefined) throw new RaftwayError('STORAGE_CORRUPT', 'a command has no bytes')
  if (version > FORMAT_VERSION) {
    const detail = `a command has format ${version}, this version of raftway reads ${FORMAT_VERSION}: upgrade this node`
    throw new RaftwayError('VERSION_TOO_OLD', detail)
  }
  const command = version === FORMAT_VERSION ? parse(data.subarray(1)) : null
  const later = laterOf(command)
  if (later !== null) {
    const detail = `a command has the ${later}, which this version of raftway does not know: upgrade this node`
    throw new RaftwayError('VERSION_TOO_OLD', detail)
  }
  if (isCommand(command)) return command
  throw new RaftwayError('STORAGE_CORRUPT', 'what stands where a command should be is none')
}

/** The type of command, or the kind of a definition in it, that only a later version knows; null for what is known. */
function laterOf(command: unknown): string | null {
  if (command === null || typeof command !== 'object' || !('type' in command)) return null
  const { type } = command
  if (typeof type === 'string' && !TYPES.includes(type)) return `type ${type}`
  if (type !== 'write' || !isCommand(command) || command.type !== 'write') return null
  for (const operation of command.operations) {
    const { kind } = operation.op === 'put' ? operation.definition : operation
    if (!Object.hasOwn(KINDS, kind)) return `kind ${kind as string}`
  }
  return null
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
  const { type, operations, address, access, reports } = value as Readonly<Record<string, unknown>>
  if (type === 'write') return Array.isArray(operations)
  if (type === 'usage') return Array.isArray(reports)
  if (type === 'access') return access !== null && typeof access === 'object'
  return type === 'member' && address !== null && typeof address === 'object'
}
