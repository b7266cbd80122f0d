import { SIGNED_COMPONENTS_MAX } from '../../shared/access-limits.ts'
import { requestTarget, type ReadSignatures, type SignedRequest } from './signature.ts'

const PARAMETER = /([a-zA-Z]+)=(?:"([^"\\]*)"|([0-9]+))(?:,\s*|\s*$)/y

/**
 * The signature of a request in Authorization (draft-cavage-http-signatures-12). `dateHeader`, in lower case, is good in place of
 * Date, for clients that cannot set that; null: none.
 */
export function readDraftCavage(request: SignedRequest, dateHeader: string | null): ReadSignatures {
  const field = request.header('authorization')
  const scheme = field === undefined ? null : /^signature +/i.exec(field)
  if (field === undefined || scheme === null) return 'none'
  const parameters = readParameters(field, scheme[0].length)
  const keyId = parameters?.get('keyid')
  const signature = parameters?.get('signature')
  if (parameters === null || keyId === undefined || signature === undefined) return 'malformed'
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(signature)) return 'malformed'
  const covered = (parameters.get('headers') ?? 'date').toLowerCase().split(' ')
  const base = signingString(covered, parameters, request)
  if (base === null) return 'malformed'
  const date = ['date', dateHeader].find((name) => name !== null && covered.includes(name))
  const created = covered.includes('(created)')
    ? secondsOf(parameters.get('created'))
    : dateOf(date === undefined || date === null ? undefined : request.header(date))
  return [
    {
      keyId,
      algorithm: (parameters.get('algorithm') ?? 'hmac-sha256').toLowerCase(),
      signature: Buffer.from(signature, 'base64'),
      base,
      covered,
      created,
      expires: covered.includes('(expires)') ? secondsOf(parameters.get('expires')) : null,
      nonce: null,
    },
  ]
}

/** By name in lower case; null when it is not well formed, or has one twice. */
function readParameters(field: string, from: number): ReadonlyMap<string, string> | null {
  const parameters = new Map<string, string>()
  let at = from
  while (at < field.length) {
    PARAMETER.lastIndex = at
    const found = PARAMETER.exec(field)
    const name = found?.[1]?.toLowerCase()
    if (found === null || name === undefined || parameters.has(name)) return null
    parameters.set(name, found[2] ?? found[3] ?? '')
    at += found[0].length
  }
  return parameters
}

/** Section 2.3; null when something that is covered is not there, or is there twice. */
function signingString(
  covered: readonly string[],
  parameters: ReadonlyMap<string, string>,
  request: SignedRequest,
): string | null {
  if (covered.length > SIGNED_COMPONENTS_MAX || new Set(covered).size < covered.length) return null
  const lines: string[] = []
  for (const name of covered) {
    const value = valueOf(name, parameters, request)
    if (value === undefined) return null
    lines.push(`${name}: ${value}`)
  }
  return lines.join('\n')
}

function valueOf(
  name: string,
  parameters: ReadonlyMap<string, string>,
  request: SignedRequest,
): string | undefined {
  if (name === '(request-target)') {
    return `${request.method.toLowerCase()} ${requestTarget(request)}`
  }
  if (name === '(created)') return parameters.get('created')
  if (name === '(expires)') return parameters.get('expires')
  if (name === 'host') return request.authority
  return request.header(name)
}

function secondsOf(text: string | undefined): number | null {
  return text === undefined || !/^[0-9]{1,15}$/.test(text) ? null : Number(text)
}

function dateOf(text: string | undefined): number | null {
  const ms = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(ms) ? null : Math.floor(ms / 1_000)
}
