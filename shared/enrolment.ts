import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import type { CertificateRole } from './certificate.ts'

/** What a node or gateway asks a certificate for. The key that it is for has signed it. */
export type EnrolmentRequest = {
  readonly role: CertificateRole
  readonly name: string
  /** Of a node; null for a gateway. */
  readonly nodeId: number | null
  /** Names and addresses that a node is reached by; none for a gateway. */
  readonly hosts: readonly string[]
  /** SubjectPublicKeyInfo (RFC 5280 4.1.2.7) of an Ed25519 key, in base64url. */
  readonly publicKey: string
  /** Over everything else, in base64url. */
  readonly signature: string
}

type Unsigned = Omit<EnrolmentRequest, 'publicKey' | 'signature'>

/** Makes the request for a key: only who has it can. */
export function signEnrolment(
  asked: Unsigned,
  keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
): EnrolmentRequest {
  const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64url')
  const signature = sign(null, signedText({ ...asked, publicKey }), keys.privateKey)
  return { ...asked, publicKey, signature: signature.toString('base64url') }
}

/** The key of a request that it has signed; null for any other, and for keys of other kinds. */
export function keyOfEnrolment(request: EnrolmentRequest): KeyObject | null {
  try {
    const der = Buffer.from(request.publicKey, 'base64url')
    const key = createPublicKey({ key: der, type: 'spki', format: 'der' })
    if (key.asymmetricKeyType !== 'ed25519') return null
    const signature = Buffer.from(request.signature, 'base64url')
    return verify(null, signedText(request), key, signature) ? key : null
  } catch {
    return null // Not a key: nothing that OpenSSL says of it is of use to anybody.
  }
}

function signedText(asked: Omit<EnrolmentRequest, 'signature'>): Buffer {
  const { role, name, nodeId, hosts, publicKey } = asked
  // No member of it can hold a new line: see the schemas that it has passed.
  const words = ['raftway-enrolment', role, name, String(nodeId), hosts.join(','), publicKey]
  return Buffer.from(words.join('\n'))
}
