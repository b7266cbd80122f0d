import { parameterValues } from './query-parameter.ts'
import {
  requestTarget,
  type GivenSignature,
  type ReadSignatures,
  type SignedRequest,
} from './signature.ts'
import {
  readByteSequences,
  readSignatureInput,
  type Component,
  type Parameters,
  type SignatureInput,
} from './structured-fields.ts'

/** The signatures of a request in Signature-Input and Signature (RFC 9421), with what each was made over. */
export function readRfc9421(request: SignedRequest): ReadSignatures {
  const input = request.header('signature-input')
  const given = request.header('signature')
  if (input === undefined) return 'none'
  const inputs = readSignatureInput(input)
  const signatures = given === undefined ? null : readByteSequences(given)
  if (inputs === null || signatures === null) return 'malformed'
  const found: GivenSignature[] = []
  for (const each of inputs) {
    const signature = signatures.get(each.label)
    const base = signature === undefined ? null : signatureBase(each, request)
    const keyId = textOf(each.parameters, 'keyid')
    if (signature === undefined || base === null || keyId === null) return 'malformed'
    found.push({
      keyId,
      algorithm: textOf(each.parameters, 'alg') ?? 'hmac-sha256',
      signature,
      base,
      covered: each.components.map(({ name }) => name),
      created: numberOf(each.parameters, 'created'),
      expires: numberOf(each.parameters, 'expires'),
      nonce: textOf(each.parameters, 'nonce'),
    })
  }
  return found
}

/** RFC 9421 2.5; null when something that is covered is not there, is there twice, or is not known. */
function signatureBase({ components, raw }: SignatureInput, request: SignedRequest): string | null {
  let base = ''
  const seen = new Set<string>()
  for (const component of components) {
    const value = valueOf(component, request)
    if (value === null || seen.has(component.raw)) return null
    seen.add(component.raw)
    base += `${component.raw}: ${value}\n`
  }
  return `${base}"@signature-params": ${raw}`
}

function valueOf(component: Component, request: SignedRequest): string | null {
  const { name, parameters } = component
  if (name === '@query-param') return queryParameter(parameters, request)
  // Strict forms, single members, trailers and requests of responses are not read.
  if (parameters.size > 0) return null
  if (name.startsWith('@')) return derived(name, request)
  if (name !== name.toLowerCase()) return null
  return request.header(name) ?? null
}

/** RFC 9421 2.2. */
function derived(name: string, request: SignedRequest): string | null {
  switch (name) {
    case '@method':
      return request.method
    case '@scheme':
      return schemeOf(request)
    case '@authority':
      return authorityOf(request)
    case '@target-uri':
      return `${schemeOf(request)}://${authorityOf(request)}${requestTarget(request)}`
    case '@request-target':
      return requestTarget(request)
    case '@path':
      return request.path
    case '@query':
      return `?${request.query}`
    default:
      return null
  }
}

function schemeOf({ isTls }: SignedRequest): string {
  return isTls ? 'https' : 'http'
}

/** Lower case, without the port that goes without saying. */
function authorityOf({ authority, isTls }: SignedRequest): string {
  const lower = authority.toLowerCase()
  const port = isTls ? ':443' : ':80'
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower
}

/** RFC 9421 2.2.8; one that is there twice has no value of its own. */
function queryParameter(parameters: Parameters, { query }: SignedRequest): string | null {
  const name = parameters.get('name')
  if (typeof name !== 'string' || parameters.size !== 1) return null
  const values = parameterValues(query, name)
  return values.length === 1 ? (values[0] ?? null) : null
}

function textOf(parameters: Parameters, name: string): string | null {
  const value = parameters.get(name)
  return typeof value === 'string' ? value : null
}

function numberOf(parameters: Parameters, name: string): number | null {
  const value = parameters.get(name)
  return typeof value === 'number' ? value : null
}
