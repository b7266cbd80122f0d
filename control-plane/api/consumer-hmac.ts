import { randomBytes } from 'node:crypto'
import { openSecret } from '../../shared/definitions/seal.ts'
import { isSealed } from '../../shared/definitions/secret-values.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { SECRET_CHARS_MAX, USERNAME_CHARS_MAX } from '../../shared/limits.ts'
import { withHmac, withoutHmac } from '../access/consumer-credentials.ts'
import { pathName, type Call } from './calls.ts'
import type { WritePlan } from './carry-out-write.ts'
import { planEdit } from './consumer-edit.ts'
import type { ApiContext } from './context.ts'
import { Envelope } from './envelope.ts'
import type { ApiRequest } from './exchange.ts'
import { readWriteOptions } from './write-options.ts'
import { runWrite } from './writes.ts'

const SECRET_BYTES = 32
const KEY_ID_BYTES = 9
const WRITE = { right: 'write', kind: 'Consumer' } as const

/** Secrets that a Consumer signs requests with: sealed before they are stored. */
export function hmacCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/consumers/{name}/hmac',
      methods: {
        post: {
          need: WRITE,
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planAdd(api, request, body)),
        },
      },
    },
    {
      path: '/v1/consumers/{name}/hmac/{keyId}',
      methods: {
        delete: {
          need: WRITE,
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planRemove(api, request, body)),
        },
      },
    },
  ]
}

function planAdd(api: ApiContext, request: ApiRequest, body: unknown): WritePlan {
  const envelope = new Envelope(body, ['keyId', 'secret'])
  const askedId = envelope.text('keyId', USERNAME_CHARS_MAX)
  const given = envelope.text('secret', SECRET_CHARS_MAX)
  envelope.finish('INVALID_REQUEST')
  const keyId = askedId ?? `rwh_${randomBytes(KEY_ID_BYTES).toString('base64url')}`
  const secret = given ?? randomBytes(SECRET_BYTES).toString('base64url')
  const name = pathName(request)
  return planEdit(api, {
    name,
    asked: { call: 'hmac-add', keyId: askedId },
    isDry: readWriteOptions(request).dryRun,
    status: 201,
    change: (spec) => withHmac(spec, { keyId, secret }),
    stands: ({ credentials }) =>
      credentials?.hmac?.some(
        (each, at) =>
          each.keyId === keyId &&
          reopened(api, name, each.secret, `spec.credentials.hmac.${at}.secret`) === secret,
      ) === true,
    tell: () => ({ told: { hmac: { keyId } }, ...(given === null ? { secret: { secret } } : {}) }),
  })
}

function planRemove(api: ApiContext, request: ApiRequest, body: unknown): WritePlan {
  new Envelope(body, []).finish('INVALID_REQUEST')
  const keyId = pathName(request, 'keyId')
  const name = pathName(request)
  return planEdit(api, {
    name,
    asked: { call: 'hmac-remove', keyId },
    isDry: readWriteOptions(request).dryRun,
    status: 200,
    change: (spec) =>
      withoutHmac(spec, keyId, (each, path) => ({
        ...each,
        secret: reopened(api, name, each.secret, path),
      })),
    tell: () => ({ told: { hmac: { keyId } } }),
  })
}

/** The plain text of a secret that stands at a path of a Consumer. SEAL_KEY_MISSING. */
function reopened(api: ApiContext, name: string, secret: unknown, path: string): string {
  if (!isSealed(secret))
    throw new RaftwayError('INTERNAL', 'A secret is stored that is not sealed.')
  const opened = openSecret(api.sealKeys, { kind: 'Consumer', name, path }, secret.sealed)
  if (opened.ok) return opened.value
  const detail = `A secret of ${name} was sealed with key ${opened.keyId}, which this node does not have.`
  throw new RaftwayError('SEAL_KEY_MISSING', detail, { issues: [{ path, message: detail }] })
}
