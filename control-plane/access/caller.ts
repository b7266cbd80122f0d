import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { ROLES } from '../../shared/definitions/access.ts'
import { AUTHOR_CHARS_MAX, HOST_CHARS_MAX, NAME_CHARS_MAX } from '../../shared/limits.ts'

/** Carries the caller of a forwarded call; good only from a node of this cluster. */
export const CALLER_HEADER = 'raftway-caller'

const callerSchema = z.strictObject({
  /** `local`: nobody had to say who he is. */
  via: z.enum(['local', 'token', 'certificate']),
  /** Of the token or the certificate; `local` for local callers. */
  name: z.string().min(1).max(HOST_CHARS_MAX),
  role: z.enum(ROLES),
  kinds: z.array(z.string().max(NAME_CHARS_MAX)).max(64).nullable(),
  /** Where the call came from. */
  address: z.string().max(HOST_CHARS_MAX),
})

/** Who makes a call, as the node found that took it. It travels with the call to the leader, and into history. */
export type Caller = Readonly<z.infer<typeof callerSchema>>

/** Whoever reaches an open API. */
export function localCaller(address: string): Caller {
  return { via: 'local', name: 'local', role: 'admin', kinds: null, address }
}

/** The caller as people, history and the audit log name him: `local`, `token:ci`. */
export function callerName({ via, name }: Caller): string {
  return via === 'local' ? name : `${via}:${name}`
}

/**
 * The author that history shows: what the client says of itself is kept, but never stands for a name that was proved.
 */
export function authorOf(caller: Caller, claimed: string | null): string {
  if (caller.via === 'local') return claimed ?? 'anonymous'
  const proved = callerName(caller)
  return (claimed === null ? proved : `${claimed} via ${proved}`).slice(0, 2 * AUTHOR_CHARS_MAX)
}

/** What a caller header speaks for: it is good for this one call. */
export type CallHead = { readonly method: string; readonly target: string; readonly key: string }

/** A caller as the value of a header, vouched for with the cluster's forwarding secret if there is one. */
export function encodeCaller(caller: Caller, head: CallHead, secret: string | null): string {
  const text = Buffer.from(JSON.stringify(caller)).toString('base64url')
  return secret === null ? text : `${text}.${seal(text, head, secret).toString('base64url')}`
}

/**
 * The caller in a header. `secret` null: the connection itself proves that a node sends it. Null for anything that is
 * not whole, or that no node of this cluster wrote for this call.
 */
export function decodeCaller(header: string, head: CallHead, secret: string | null): Caller | null {
  const [text = '', mac = ''] = header.split('.')
  if (secret !== null) {
    const given = Buffer.from(mac, 'base64url')
    const wanted = seal(text, head, secret)
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null
  }
  try {
    const parsed = callerSchema.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString()))
    return parsed.success ? parsed.data : null
  } catch {
    return null // Not JSON: nobody here wrote it.
  }
}

function seal(text: string, { method, target, key }: CallHead, secret: string): Buffer {
  const words = ['raftway-caller', method, target, key, text]
  return createHmac('sha256', secret).update(words.join('\n')).digest()
}
