import { randomBytes } from 'node:crypto'
import { hashApiKey } from '../../shared/definitions/api-key.ts'
import { momentSchema, nameSchema } from '../../shared/definitions/common.ts'
import { RaftwayError } from '../../shared/errors.ts'
import {
  KEY_OVERLAP_SECONDS_DEFAULT,
  KEY_SECONDS_MAX,
  NAME_CHARS_MAX,
} from '../../shared/limits.ts'
import {
  momentText,
  withKey,
  withoutKey,
  withRotatedKey,
  type ConsumerKey,
  type NewKey,
} from '../access/consumer-credentials.ts'
import { sendAnswer } from './answer.ts'
import { pathName, type Call } from './calls.ts'
import type { WritePlan } from './carry-out-write.ts'
import { planEdit } from './consumer-edit.ts'
import type { ApiContext } from './context.ts'
import { Envelope } from './envelope.ts'
import type { ApiRequest, ApiResponse } from './exchange.ts'
import { Query } from './query.ts'
import { CONSISTENCY, readPoint, readsStale } from './reads.ts'
import { readWriteOptions } from './write-options.ts'
import { runWrite } from './writes.ts'

const KEY_BYTES = 32
/** How much of a key is kept for people to tell it by; what is left has 220 bits of chance. */
const PREFIX_CHARS = 8
const WRITE = { right: 'write', kind: 'Consumer' } as const

/** API keys of a Consumer: made here, shown once, rotated, revoked. */
export function keyCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/consumers/{name}/keys',
      methods: {
        get: {
          need: { right: 'read', kind: 'Consumer' },
          handle: (request, response) => listKeys(api, request, response),
        },
        post: {
          need: WRITE,
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planCreate(api, request, body)),
        },
      },
    },
    {
      path: '/v1/consumers/{name}/keys/{key}',
      methods: {
        delete: {
          need: WRITE,
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planRevoke(api, request, body)),
        },
      },
    },
    {
      path: '/v1/consumers/{name}/keys/{key}/rotate',
      methods: {
        post: {
          need: WRITE,
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planRotate(api, request, body)),
        },
      },
    },
  ]
}

async function listKeys(
  api: ApiContext,
  request: ApiRequest,
  response: ApiResponse,
): Promise<void> {
  const name = pathName(request)
  const query = new Query(request.url, [CONSISTENCY])
  const isStale = readsStale(query)
  query.finish()
  await readPoint(api, isStale)
  const { revision } = api.plane.state
  const consumer = api.plane.state.get('Consumer', name)
  if (consumer?.kind !== 'Consumer')
    throw new RaftwayError('DEFINITION_NOT_FOUND', `There is no Consumer named ${name}.`)
  const items = consumer.spec.credentials?.keys ?? []
  sendAnswer(response, { status: 200, revision, body: { items } })
}

function planCreate(api: ApiContext, request: ApiRequest, body: unknown): WritePlan {
  const envelope = new Envelope(body, ['name', 'expiresAt', 'ttlSeconds'])
  const nowMs = api.clock.now()
  const made = makeKey(envelope, nowMs)
  envelope.finish('INVALID_REQUEST')
  const name = pathName(request)
  let key: ConsumerKey | null = null
  return planEdit(api, {
    name,
    asked: { call: 'key-create', ...made.asked },
    isDry: readWriteOptions(request).dryRun,
    status: 201,
    change(spec) {
      const added = withKey(spec, made.key, nowMs)
      key = added.key
      return added.spec
    },
    stands: ({ credentials }) => holds(credentials?.keys, made.key.hash),
    tell: () => ({ told: { key }, secret: { secret: made.secret } }),
  })
}

function planRotate(api: ApiContext, request: ApiRequest, body: unknown): WritePlan {
  const members = ['name', 'expiresAt', 'ttlSeconds', 'overlapSeconds']
  const envelope = new Envelope(body, members)
  const nowMs = api.clock.now()
  const made = makeKey(envelope, nowMs)
  const overlapSeconds =
    envelope.integer('overlapSeconds', { min: 0, max: KEY_SECONDS_MAX }) ??
    KEY_OVERLAP_SECONDS_DEFAULT
  envelope.finish('INVALID_REQUEST')
  const name = pathName(request, 'key')
  const untilMs = nowMs + overlapSeconds * 1_000
  let told: Readonly<Record<string, unknown>> = {}
  return planEdit(api, {
    name: pathName(request),
    asked: { call: 'key-rotate', key: name, overlapSeconds, ...made.asked },
    isDry: readWriteOptions(request).dryRun,
    status: 201,
    change(spec) {
      const { key, previous, ...rotated } = withRotatedKey(spec, {
        name,
        key: made.key,
        untilMs,
        nowMs,
      })
      told = { key, previous }
      return rotated.spec
    },
    stands: ({ credentials }) => holds(credentials?.keys, made.key.hash),
    tell: () => ({ told, secret: { secret: made.secret } }),
  })
}

function planRevoke(api: ApiContext, request: ApiRequest, body: unknown): WritePlan {
  new Envelope(body, []).finish('INVALID_REQUEST')
  const key = pathName(request, 'key')
  return planEdit(api, {
    name: pathName(request),
    asked: { call: 'key-revoke', key },
    isDry: readWriteOptions(request).dryRun,
    status: 200,
    change: (spec) => withoutKey(spec, key),
    tell: () => ({ told: { key: { name: key } } }),
  })
}

type MadeKey = {
  readonly key: NewKey
  readonly secret: string
  readonly asked: Readonly<Record<string, unknown>>
}

/** A fresh key of 256 bits, with the name and the end that the body gives it; issues go to the envelope. */
function makeKey(envelope: Envelope, nowMs: number): MadeKey {
  const name = envelope.text('name', NAME_CHARS_MAX)
  if (name !== null && !nameSchema.safeParse(name).success)
    envelope.issue('name', 'must be a name: a-z, 0-9, "." and "-"')
  const expiresAt = envelope.text('expiresAt', 64)
  const ttlSeconds = envelope.integer('ttlSeconds', { min: 1, max: KEY_SECONDS_MAX })
  if (expiresAt !== null && ttlSeconds !== null)
    envelope.issue('ttlSeconds', 'cannot be combined with expiresAt')
  if (expiresAt !== null) checkEnd(envelope, expiresAt, nowMs)
  const end = ttlSeconds === null ? expiresAt : momentText(nowMs + ttlSeconds * 1_000)
  const secret = `rwk_${randomBytes(KEY_BYTES).toString('base64url')}`
  return {
    secret,
    asked: { name, expiresAt, ttlSeconds },
    key: {
      name,
      hash: hashApiKey(secret),
      prefix: secret.slice(0, PREFIX_CHARS),
      lastFour: secret.slice(-4),
      createdAt: momentText(nowMs),
      ...(end === null ? {} : { expiresAt: end }),
    },
  }
}

function checkEnd(envelope: Envelope, expiresAt: string, nowMs: number): void {
  const parsed = momentSchema.safeParse(expiresAt)
  if (!parsed.success)
    envelope.issue('expiresAt', parsed.error.issues[0]?.message ?? 'must be a time in UTC')
  else if (Date.parse(expiresAt) <= nowMs) envelope.issue('expiresAt', 'must lie in the future')
}

function holds(list: readonly { readonly hash: string }[] | undefined, hash: string): boolean {
  return list?.some((each) => each.hash === hash) === true
}
