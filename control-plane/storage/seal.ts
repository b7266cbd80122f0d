import { crc32 } from 'node:zlib'
import { RaftwayError } from '../../shared/errors.ts'

/** Bytes that sealing adds. */
export const SEAL_BYTES = 4

/**
 * A stored value: the checksum of its name and its bytes, then the bytes. The name is in the checksum so that a value
 * under another's key is found out as well.
 */
export function seal(name: Buffer, payload: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(SEAL_BYTES + payload.length)
  sealed.set(payload, SEAL_BYTES)
  sealed.writeUInt32BE(crc32(payload, crc32(name)), 0)
  return sealed
}

/** Whether a sealed value is what was written under its name. */
export function isWhole(name: Buffer, sealed: Buffer): boolean {
  if (sealed.length < SEAL_BYTES) return false
  return crc32(sealed.subarray(SEAL_BYTES), crc32(name)) === sealed.readUInt32BE(0)
}

/** The bytes of a sealed value, not copied. Throws STORAGE_CORRUPT; `what` names it for people. */
export function unseal(name: Buffer, sealed: Buffer, what: string): Buffer {
  if (isWhole(name, sealed)) return sealed.subarray(SEAL_BYTES)
  throw new RaftwayError('STORAGE_CORRUPT', `${what} is damaged: its checksum does not match`)
}

/** A value as sealed JSON. */
export function sealJson(name: Buffer, value: unknown): Buffer {
  return seal(name, Buffer.from(JSON.stringify(value)))
}

/** Reads sealed JSON back; its shape is what this program wrote. Throws STORAGE_CORRUPT. */
export function unsealJson(name: Buffer, sealed: Buffer, what: string): unknown {
  return JSON.parse(unseal(name, sealed, what).toString())
}
