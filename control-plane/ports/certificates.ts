import type { X509Certificate } from 'node:crypto'
import type { CertificateIdentity } from '../../shared/certificate.ts'

/** This node's certificate and key, another pair after each renewal. */
export type NodeCredentials = PairSource & {
  /** Of the authority that vouches for every node and gateway of the cluster; it stands behind the node's own. */
  readonly authority: X509Certificate
}

/** A certificate and key, PEM, that may be exchanged while they are used. */
export type PairSource = {
  readonly pair: { readonly key: string; readonly cert: string }
  /** Calls after each exchange; returns the way to stop. */
  onRenewal(listener: () => void): () => void
}

/** What the other end of a connection has proved about itself. */
export type Proof =
  /** The connection is plain: nothing can be proved. */
  | { readonly type: 'plain' }
  | { readonly type: 'certificate'; readonly certificate: CertificateIdentity }
  /** It has shown none. */
  | { readonly type: 'no-certificate' }
  /** It has shown one that is not believed, or spoke in another way than this port: for people. */
  | { readonly type: 'refused'; readonly reason: string }

/** Certificates that the cluster has taken back. */
export type Revocations = {
  /** Why this certificate is no longer believed; null while it is. */
  reasonFor(certificate: CertificateIdentity): string | null
  /** Calls when there may be more of them; returns the way to stop. */
  onChange(listener: () => void): () => void
}
