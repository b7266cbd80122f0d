import { createHmac, randomBytes } from 'node:crypto'
import { readArgon2Hash } from '../../shared/argon2-hash.ts'
import { KNOWN_PASSWORDS_MAX } from '../../shared/access-limits.ts'
import type { BasicAuthOptions } from '../../shared/plugins/basic-auth.ts'
import type { Identity } from '../consumers/identity.ts'
import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { basicCredentials } from './basic-credentials.ts'
import { dropFields } from './edits.ts'
import type { Authenticated, Authenticator, PluginParts } from './plugin.ts'

const AUTHORIZATION = ['authorization']
const BUSY = errorReply('OVERLOADED', 'too many passwords are being checked')

/**
 * Knows callers by user name and password. A password is compared once; that it was good is remembered, under a code that
 * only this process can make of it, until any Consumer changes.
 */
export function basicAuth(options: BasicAuthOptions, parts: PluginParts): Authenticator {
  const { consumers, passwords } = parts
  const challenge = `WWW-Authenticate: Basic realm="${options.realm ?? 'api'}", charset="UTF-8"\r\n`
  const missing = withChallenge(
    errorReply('CREDENTIALS_MISSING', 'user name and password are missing'),
    challenge,
  )
  const wrong = withChallenge(
    errorReply('CREDENTIALS_INVALID', 'user name or password is not good'),
    challenge,
  )
  const known = new Remembered(() => consumers.version)

  async function compare(code: string, username: string, password: string): Promise<Authenticated> {
    const { version } = consumers
    const login = consumers.byUsername(username)
    const hash = login === null ? null : readArgon2Hash(login.hash)
    const compared =
      hash === null ? passwords.compareWithNone(password) : passwords.compare(hash, password)
    if (compared === null) return BUSY
    if (!(await compared) || login === null) return wrong
    // While it was compared, the Consumer may have changed, and with it the password.
    if (consumers.version !== version) {
      const now = consumers.byUsername(username)
      return now !== null && now.hash === login.hash ? now.identity : wrong
    }
    known.put(code, login.identity)
    return login.identity
  }

  function authenticate(context: RequestContext): Authenticated | Promise<Authenticated> {
    const field = context.exchange.header('authorization')
    if (field === undefined || !/^basic( |$)/i.test(field)) return null
    if (options.keep !== true) dropFields(context, AUTHORIZATION)
    const given = basicCredentials(field)
    if (given === null) return wrong
    const code = codeOf(given.username, given.password)
    return (
      known.get(code) ?? known.sharing(code, () => compare(code, given.username, given.password))
    )
  }

  return { authenticate, missing }
}

const PROCESS_KEY = randomBytes(32)

/** A user name has no colon, so that no two pairs are one text. */
function codeOf(username: string, password: string): string {
  return createHmac('sha256', PROCESS_KEY).update(`${username}:${password}`).digest('base64')
}

/** Passwords that were good, and those that are being compared; void when any Consumer changes. */
class Remembered {
  readonly #versionNow: () => number
  readonly #good = new Map<string, Identity>()
  readonly #underWay = new Map<string, Promise<Authenticated>>()
  #version = -1

  constructor(versionNow: () => number) {
    this.#versionNow = versionNow
  }

  get(code: string): Identity | undefined {
    this.#renew()
    return this.#good.get(code)
  }

  put(code: string, identity: Identity): void {
    this.#renew()
    if (this.#good.size >= KNOWN_PASSWORDS_MAX) this.#good.clear()
    this.#good.set(code, identity)
  }

  /** One comparison for all who show the same at the same time. */
  sharing(code: string, compare: () => Promise<Authenticated>): Promise<Authenticated> {
    const begun = this.#underWay.get(code)
    if (begun !== undefined) return begun
    const own = compare().finally(() => {
      if (this.#underWay.get(code) === own) this.#underWay.delete(code)
    })
    this.#underWay.set(code, own)
    return own
  }

  #renew(): void {
    const version = this.#versionNow()
    if (version === this.#version) return
    this.#version = version
    this.#good.clear()
    this.#underWay.clear()
  }
}

function withChallenge(reply: Reply, challenge: string): Reply {
  return { ...reply, lines: reply.lines + challenge }
}
