import { FrameDecoder } from '../../../shared/framing.ts'
import { PEER_HELLO_BYTES_MAX } from '../../../shared/limits.ts'

/** Who dialled, by the first bytes of a connection; null while they do not say yet. */
export type NameDialler = (bytes: Buffer) => string | null

/** Nobody of the cluster. */
export const STRANGER = 'stranger'

/** A link between nodes begins with a hello, in which the dialler gives its name. */
export function nameOfPeer(bytes: Buffer): string | null {
  const [hello] = new FrameDecoder(PEER_HELLO_BYTES_MAX).push(Buffer.from(bytes))
  if (hello === undefined) return null
  const said = JSON.parse(Buffer.from(hello.payload).toString()) as { readonly name?: unknown }
  return typeof said.name === 'string' ? said.name : STRANGER
}

/** A call that one node makes for another carries its name; on one connection all are of the same. */
export function nameOfForwarder(bytes: Buffer): string | null {
  const text = bytes.toString('latin1')
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd === -1) return null
  return /\r\nraftway-forwarded: *([^\r]+)/i.exec(text.slice(0, headEnd))?.[1] ?? STRANGER
}
