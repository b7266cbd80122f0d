import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { readCertificate } from '../../shared/certificate.ts'
import { CERTIFICATE_BACKDATE_MS } from '../../shared/limits.ts'

/** A key, and the certificate that the cluster gave this gateway for it. PEM. */
export type ClientPair = {
  readonly key: string
  readonly cert: string
  /** Milliseconds since 1970. */
  readonly validToMs: number
  /** When two thirds of its life are over. */
  readonly renewAtMs: number
}

const OWNER_ONLY = 0o600
const KEY_END = '-----END PRIVATE KEY-----\n'

/** A new key; nothing is certified yet. */
export function newKey(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ed25519')
}

/** Puts a certificate to its key; null when they do not belong together. */
export function pairOf(key: string, cert: string): ClientPair | null {
  const certificate = readCertificate(cert)
  if (certificate === null) return null
  try {
    if (!createPublicKey(createPrivateKey(key)).equals(certificate.publicKey)) return null
  } catch {
    return null
  }
  const issuedMs = certificate.validFromDate.getTime() + CERTIFICATE_BACKDATE_MS
  const validToMs = certificate.validToDate.getTime()
  return { key, cert, validToMs, renewAtMs: issuedMs + ((validToMs - issuedMs) * 2) / 3 }
}

/** The pair of `<data-dir>/gateway.pem`; null when there is none that could be used. */
export async function readPair(dataDir: string): Promise<ClientPair | null> {
  try {
    const text = await readFile(join(dataDir, 'gateway.pem'), 'utf8')
    const end = text.indexOf(KEY_END) + KEY_END.length
    return pairOf(text.slice(0, end), text.slice(end))
  } catch {
    return null // It is asked for anew.
  }
}

/** Keeps the pair for the next start, readable by its owner alone. */
export async function writePair(dataDir: string, { key, cert }: ClientPair): Promise<void> {
  await mkdir(dataDir, { recursive: true })
  const path = join(dataDir, 'gateway.pem')
  const file = await open(`${path}.new`, 'w', OWNER_ONLY)
  try {
    await file.chmod(OWNER_ONLY)
    await file.writeFile(key + cert)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
