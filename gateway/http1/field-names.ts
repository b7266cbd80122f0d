/** Fields that mean something to a gateway. Every other name is OTHER, and nobody makes a string of it. */
export const FIELD = {
  OTHER: 0,
  HOST: 1,
  CONNECTION: 2,
  CONTENT_LENGTH: 3,
  TRANSFER_ENCODING: 4,
  EXPECT: 5,
  UPGRADE: 6,
  TE: 7,
  TRAILER: 8,
  KEEP_ALIVE: 9,
  PROXY_CONNECTION: 10,
  PROXY_AUTHENTICATE: 11,
  PROXY_AUTHORIZATION: 12,
  VIA: 13,
  X_REQUEST_ID: 14,
  X_FORWARDED_FOR: 15,
  X_FORWARDED_PROTO: 16,
  X_FORWARDED_HOST: 17,
  X_FORWARDED_PORT: 18,
  DATE: 19,
  /** `Content_Length` and its like: some servers take `_` for `-`, and would see a field that we did not. */
  LOOKALIKE: 20,
} as const

/** One of the values of FIELD. */
export type FieldId = (typeof FIELD)[keyof typeof FIELD]

type Known = { readonly name: string; readonly id: FieldId }

const KNOWN: readonly Known[] = [
  { name: 'host', id: FIELD.HOST },
  { name: 'connection', id: FIELD.CONNECTION },
  { name: 'content-length', id: FIELD.CONTENT_LENGTH },
  { name: 'transfer-encoding', id: FIELD.TRANSFER_ENCODING },
  { name: 'expect', id: FIELD.EXPECT },
  { name: 'upgrade', id: FIELD.UPGRADE },
  { name: 'te', id: FIELD.TE },
  { name: 'trailer', id: FIELD.TRAILER },
  { name: 'keep-alive', id: FIELD.KEEP_ALIVE },
  { name: 'proxy-connection', id: FIELD.PROXY_CONNECTION },
  { name: 'proxy-authenticate', id: FIELD.PROXY_AUTHENTICATE },
  { name: 'proxy-authorization', id: FIELD.PROXY_AUTHORIZATION },
  { name: 'via', id: FIELD.VIA },
  { name: 'x-request-id', id: FIELD.X_REQUEST_ID },
  { name: 'x-forwarded-for', id: FIELD.X_FORWARDED_FOR },
  { name: 'x-forwarded-proto', id: FIELD.X_FORWARDED_PROTO },
  { name: 'x-forwarded-host', id: FIELD.X_FORWARDED_HOST },
  { name: 'x-forwarded-port', id: FIELD.X_FORWARDED_PORT },
  { name: 'date', id: FIELD.DATE },
]

const NONE: readonly Known[] = []
const LENGTH_MAX = Math.max(...KNOWN.map(({ name }) => name.length))

/** Length of a name → the known names of that length. */
const BY_LENGTH: readonly (readonly Known[])[] = Array.from({ length: LENGTH_MAX + 1 }, (_, size) =>
  KNOWN.filter(({ name }) => name.length === size),
)

/** Which field `bytes[from, to)` names. The bytes are those of a token. */
export function fieldIdOf(bytes: Uint8Array, from: number, to: number): FieldId {
  const candidates = BY_LENGTH[to - from] ?? NONE
  for (let i = 0; i < candidates.length; i++) {
    const { name, id } = candidates[i] as Known // `i` is below the length.
    const likeness = compare(bytes, from, name)
    if (likeness === 'same') return id
    if (likeness === 'alike') return FIELD.LOOKALIKE
  }
  return FIELD.OTHER
}

const BY_NAME: ReadonlyMap<string, FieldId> = new Map(KNOWN.map(({ name, id }) => [name, id]))

/** The same for a name that is a lower-case string already. */
export function fieldIdOfName(name: string): FieldId {
  const id = BY_NAME.get(name)
  if (id !== undefined) return id
  return name.includes('_') && BY_NAME.has(name.replaceAll('_', '-'))
    ? FIELD.LOOKALIKE
    : FIELD.OTHER
}

function compare(bytes: Uint8Array, from: number, name: string): 'same' | 'alike' | 'other' {
  let isSame = true
  for (let i = 0; i < name.length; i++) {
    const wanted = name.charCodeAt(i)
    const byte = bytes[from + i] ?? 0
    // In a token, only the upper-case form of a letter gives that letter with this bit set, and only `-` itself `-`.
    if ((byte | 0x20) === wanted) continue
    if (byte !== 95 || wanted !== 45) return 'other'
    isSame = false
  }
  return isSame ? 'same' : 'alike'
}
