import { randomBytes } from 'node:crypto'
import { PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, USERNAME_CHARS_MAX } from '../../shared/limits.ts'
import { withoutPassword, withPassword } from '../access/consumer-credentials.ts'
import { pathName, type Call } from './calls.ts'
import type { WritePlan } from './carry-out-write.ts'
import { planEdit } from './consumer-edit.ts'
import type { ApiContext } from './context.ts'
import { Envelope } from './envelope.ts'
import type { ApiRequest } from './exchange.ts'
import { hashPassword } from './password-hash.ts'
import { readWriteOptions } from './write-options.ts'
import { runWrite } from './writes.ts'

const PASSWORD_BYTES = 18
const WRITE = { right: 'write', kind: 'Consumer' } as const

/** User names and passwords of a Consumer. Only the argon2id of a password is kept, and only its maker was told it. */
export function passwordCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/consumers/{name}/passwords',
      methods: {
        post: {
          need: WRITE,
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planSet(api, request, body)),
        },
      },
    },
    {
      path: '/v1/consumers/{name}/passwords/{username}',
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

async function planSet(api: ApiContext, request: ApiRequest, body: unknown): Promise<WritePlan> {
  const envelope = new Envelope(body, ['username', 'password'])
  const username = envelope.requiredText('username', USERNAME_CHARS_MAX)
  const given = envelope.text('password', PASSWORD_CHARS_MAX)
  if (given !== null && given.length < PASSWORD_CHARS_MIN)
    envelope.issue('password', `must have at least ${PASSWORD_CHARS_MIN} characters`)
  envelope.finish('INVALID_REQUEST')
  const password = given ?? randomBytes(PASSWORD_BYTES).toString('base64url')
  const hash = await hashPassword(password)
  return planEdit(api, {
    name: pathName(request),
    asked: { call: 'password-set', username },
    isDry: readWriteOptions(request).dryRun,
    status: 201,
    change: (spec) => withPassword(spec, { username, hash }),
    stands: ({ credentials }) => credentials?.basic?.some((each) => each.hash === hash) === true,
    tell: () => ({
      told: { basic: { username } },
      ...(given === null ? { secret: { password } } : {}),
    }),
  })
}

function planRemove(api: ApiContext, request: ApiRequest, body: unknown): WritePlan {
  new Envelope(body, []).finish('INVALID_REQUEST')
  const username = pathName(request, 'username')
  return planEdit(api, {
    name: pathName(request),
    asked: { call: 'password-remove', username },
    isDry: readWriteOptions(request).dryRun,
    status: 200,
    change: (spec) => withoutPassword(spec, username),
    tell: () => ({ told: { basic: { username } } }),
  })
}
