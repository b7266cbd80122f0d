import { z } from 'zod'
import { RaftwayError } from '../../shared/errors.ts'
import { isSameRelease, releaseSchema } from '../../shared/features.ts'
import { MEMBERS_MAX } from '../../shared/limits.ts'
import type { NodeAddress, NodeId } from '../ports.ts'

const addressSchema = z.strictObject({
  id: z.int().min(1),
  name: z.string().min(1),
  api: z.string(),
  peer: z.string(),
  release: releaseSchema.optional(),
})

/** What rides along with a membership change in the log: who asked for it, and how to reach who is added. */
export type MemberContext = {
  /** Tells the asker that its own change was applied. */
  readonly request: string
  readonly address: NodeAddress | null
}

const membersSchema = z.object({ members: z.array(addressSchema).max(MEMBERS_MAX) })

const contextSchema = z.strictObject({ request: z.string(), address: addressSchema.nullable() })

/** The context's bytes in a log entry. */
export function encodeMemberContext(context: MemberContext): Uint8Array {
  return Buffer.from(JSON.stringify(context))
}

/** The context of an entry, or null for a change without one (leaving a joint membership). STORAGE_CORRUPT. */
export function decodeMemberContext(bytes: Uint8Array): MemberContext | null {
  if (bytes.length === 0) return null
  try {
    return contextSchema.parse(JSON.parse(Buffer.from(bytes).toString()))
  } catch (cause) {
    throw new RaftwayError('STORAGE_CORRUPT', 'a membership change in the log is damaged', {
      cause,
    })
  }
}

const joinSchema = addressSchema.extend({ replaces: z.int().min(1).optional() })

/** A node that asks to be taken in, and the member whose place it asks for, if any; null if it is no such question. */
export function parseJoin(
  value: unknown,
): { readonly address: NodeAddress; readonly replaces: NodeId | null } | null {
  const parsed = joinSchema.safeParse(value)
  if (!parsed.success) return null
  const { replaces = null, ...address } = parsed.data
  return { address, replaces }
}

/** The members that an answer to `hello` tells of; none if it is no such answer. */
export function parseMembers(body: unknown): readonly NodeAddress[] {
  const parsed = membersSchema.safeParse(body)
  return parsed.success ? parsed.data.members : []
}

/** Whether two descriptions of one node say the same. */
export function isSameAddress(a: NodeAddress, b: NodeAddress): boolean {
  return (
    a.name === b.name && a.api === b.api && a.peer === b.peer && isSameRelease(a.release, b.release)
  )
}
