import type { Exchange } from '../exchange.ts'

/** What signatures are made over. */
export type SignedRequest = Pick<
  Exchange,
  'method' | 'authority' | 'path' | 'query' | 'isTls' | 'header'
>

/** A signature as a request has it, read and not yet checked. */
export type GivenSignature = {
  readonly keyId: string
  readonly algorithm: string
  readonly signature: Buffer
  /** What was signed; one character a byte. */
  readonly base: string
  /** Names of what it covers, as the form has them. */
  readonly covered: readonly string[]
  /** Seconds since 1970; null: not said, or not signed. */
  readonly created: number | null
  readonly expires: number | null
  readonly nonce: string | null
}

/** Signatures of one form; `none` when the request has none, `malformed` when what it has is not well formed. */
export type ReadSignatures = readonly GivenSignature[] | 'none' | 'malformed'

const PARTS: Readonly<Record<string, readonly string[]>> = {
  '@method': ['@method', '(request-target)'],
  '@path': ['@path', '@target-uri', '@request-target', '(request-target)'],
  '@query': ['@query', '@target-uri', '@request-target', '(request-target)'],
  '@authority': ['@authority', '@target-uri', 'host'],
  '@scheme': ['@scheme', '@target-uri'],
  'content-digest': ['content-digest', 'digest'],
  digest: ['content-digest', 'digest'],
  date: ['date'],
}

/** The first of the wanted components that a signature does not cover; null when it covers all. */
export function notCovered(
  { covered }: GivenSignature,
  wanted: readonly string[],
  request: SignedRequest,
): string | null {
  for (const component of wanted) {
    if (component === '@query' && request.query === '') continue
    const good = PARTS[component] ?? [component]
    if (!good.some((name) => covered.includes(name))) return component
  }
  return null
}

/** The path with the query, as a request line has it. */
export function requestTarget({ path, query }: SignedRequest): string {
  return query === '' ? path : `${path}?${query}`
}
