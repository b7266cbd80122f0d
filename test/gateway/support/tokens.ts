import {
  constants,
  createHmac,
  generateKeyPairSync,
  sign,
  type KeyObject,
  type webcrypto,
} from 'node:crypto'

/** A pair of keys that signs tokens of an issuer. */
export type Signer = {
  readonly algorithm: string
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** The public key as a JWK set has it. */
  readonly jwk: webcrypto.JsonWebKey & { readonly kid: string; readonly use: string }
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

export function newSigner(algorithm: string, kid: string): Signer {
  const { privateKey, publicKey } = pairFor(algorithm)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' }
  return { algorithm, kid, privateKey, publicKey, jwk }
}

function pairFor(algorithm: string): { privateKey: KeyObject; publicKey: KeyObject } {
  const namedCurve = CURVES[algorithm]
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve })
  if (algorithm.startsWith('Ed')) return generateKeyPairSync('ed25519')
  return generateKeyPairSync('rsa', { modulusLength: 2_048 })
}

/** A token as RFC 7515 has it, made without the library that reads it. */
export function token(
  { algorithm, kid, privateKey }: Pick<Signer, 'algorithm' | 'privateKey'> & { kid?: string },
  claims: object,
  header: object = {},
): string {
  const input = inputOf(
    { alg: algorithm, ...(kid === undefined ? {} : { kid }), ...header },
    claims,
  )
  return `${input}.${signed(algorithm, privateKey, input).toString('base64url')}`
}

/** A token that is signed with a text. */
export function sharedToken(algorithm: string, secret: string, claims: object): string {
  const input = inputOf({ alg: algorithm }, claims)
  const mac = createHmac(`sha${algorithm.slice(2)}`, secret).update(input)
  return `${input}.${mac.digest('base64url')}`
}

/** What is signed of a token. */
export function inputOf(header: object, claims: object): string {
  return [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
}

function signed(algorithm: string, key: KeyObject, input: string): Buffer {
  const bytes = Buffer.from(input)
  if (algorithm.startsWith('Ed')) return sign(null, bytes, key)
  const digest = `sha${algorithm.slice(2)}`
  if (algorithm.startsWith('ES')) return sign(digest, bytes, { key, dsaEncoding: 'ieee-p1363' })
  if (algorithm.startsWith('RS')) return sign(digest, bytes, key)
  return sign(digest, bytes, {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  })
}
