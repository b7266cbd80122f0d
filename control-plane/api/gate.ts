import { isIP } from 'node:net'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { STREAM_EXPIRY_CHECK_MS, TOKEN_CATCH_UP_MS_MAX } from '../../shared/limits.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import { Attempts } from '../access/attempts.ts'
import {
  CALLER_HEADER,
  decodeCaller,
  callerName,
  localCaller,
  type Caller,
} from '../access/caller.ts'
import { missingRight, type Need } from '../access/rights.ts'
import {
  revocationSpecOf,
  stillHolds,
  tokenSpecOf,
  verifyToken,
  type AccessView,
  type TokenHolder,
  type TokenRefusal,
} from '../access/verify-token.ts'
import type { Clock } from '../clock.ts'
import type { AppliedChange, ControlPlane } from '../ports.ts'
import type { RequestHead } from './exchange.ts'

/** Whom a certificate of the cluster's authority names. */
export type Peer = {
  readonly role: 'node' | 'gateway'
  readonly name: string
  /** Whether the certificate has been taken out of use since. */
  readonly isRevoked: () => boolean
}

/** How strict the door is. */
export type AccessOptions = {
  /** Whoever comes without a token is let in as a local admin. */
  readonly isOpen: boolean
  /** The API can be reached from this machine only: then a page in a browser on it must not pass for its user. */
  readonly isLoopback: boolean
  readonly hasOpenMetrics: boolean
  /** Who is on the other end of the connection, by its certificate; null without one. */
  readonly peerOf: (request: RequestHead) => Peer | null
}

/** The door of tests and of nodes that only this machine reaches. */
export const OPEN_ACCESS: AccessOptions = {
  isOpen: true,
  isLoopback: true,
  hasOpenMetrics: true,
  peerOf: () => null,
}

/** A caller who was let in. */
export type Admitted = {
  readonly caller: Caller
  /** Another node took the call, and vouches for the caller. */
  readonly isVouchedFor: boolean
  /** What must go on to hold while a stream is open; null when nothing can end it. */
  readonly refusal: (() => string | null) | null
}

type Stream = {
  readonly refusal: () => string | null
  readonly end: (code: ErrorCode, reason: string) => void
}

const EVERYBODY: Omit<Caller, 'address'> = {
  via: 'local',
  name: 'anybody',
  role: 'node',
  kinds: [],
}

/**
 * The API's one door. Every call goes through `admit`, which finds out who calls and whether he may: by what another
 * node vouches for, by a token, by a certificate, or, where the API is open, by being here.
 */
export class Gate {
  readonly #plane: ControlPlane
  readonly #clock: Clock
  readonly #options: AccessOptions
  readonly #attempts = new Attempts()
  readonly #admitted = new WeakMap<RequestHead, Admitted>()
  readonly #streams = new Set<Stream>()
  readonly #stops: (() => void)[]
  /** Names of revoked tokens; null when revocations have changed since. */
  #revoked: ReadonlySet<string> | null = null
  readonly #view: AccessView

  constructor(plane: ControlPlane, clock: Clock, options: AccessOptions) {
    this.#plane = plane
    this.#clock = clock
    this.#options = options
    this.#view = {
      token: (name) => tokenSpecOf(plane.state.get('Token', name)),
      isRevoked: (token) => this.#revokedTokens().has(token),
      get bootstrapHash() {
        return plane.state.access?.bootstrapHash ?? null
      },
    }
    this.#stops = [
      plane.onApplied((change) => this.#onApplied(change)),
      plane.onReset(() => this.#onAccessChanged()),
      clock.every(STREAM_EXPIRY_CHECK_MS, () => this.#endStreams()),
    ]
  }

  /**
   * Lets a call in, or throws UNAUTHENTICATED, FORBIDDEN, TOO_MANY_ATTEMPTS, NOT_LEADER. A promise only when a token is
   * not known here: it may have been made on another node a moment ago.
   */
  admit(request: RequestHead, need: Need): Admitted | Promise<Admitted> {
    const vouched = request.headers[CALLER_HEADER]
    if (vouched !== undefined) {
      return this.#allow(request, need, this.#vouchedFor(request, String(vouched)))
    }
    if (need === 'open' || (this.#options.hasOpenMetrics && need.right === 'metrics')) {
      const caller = { ...EVERYBODY, address: addressOf(request) }
      return this.#note(request, { caller, isVouchedFor: false, refusal: null })
    }
    const { authorization } = request.headers
    if (authorization !== undefined) return this.#byToken(request, need, bearerOf(authorization))
    return this.#allow(request, need, this.#byConnection(request))
  }

  /** Who made a call that was let in. */
  admitted(request: RequestHead): Admitted {
    const admitted = this.#admitted.get(request)
    if (admitted !== undefined) return admitted
    throw new RaftwayError('INTERNAL', 'A call was carried out that nobody let in.')
  }

  /** The same of a call that was refused: null when nobody knows. */
  whoever(request: RequestHead): Admitted | null {
    return this.#admitted.get(request) ?? null
  }

  /** Ends an open stream, by `end`, when its caller would no longer be let in. Returns the way to forget it. */
  watchOver(request: RequestHead, end: Stream['end']): () => void {
    const { refusal } = this.admitted(request)
    if (refusal === null) return () => {}
    const stream = { refusal, end }
    this.#streams.add(stream)
    return () => this.#streams.delete(stream)
  }

  close(): void {
    for (const stop of this.#stops) stop()
    this.#streams.clear()
  }

  #allow(request: RequestHead, need: Need, admitted: Admitted): Admitted {
    // Noted first: whoever is refused is named in the audit log.
    this.#note(request, admitted)
    const missing = missingRight(admitted.caller, need)
    if (missing === null) return admitted
    throw new RaftwayError(
      'FORBIDDEN',
      `${callerName(admitted.caller)} may not do this: ${missing}.`,
      {
        extra: { missing: need === 'open' ? null : need },
      },
    )
  }

  #note(request: RequestHead, admitted: Admitted): Admitted {
    this.#admitted.set(request, admitted)
    return admitted
  }

  #byToken(request: RequestHead, need: Need, text: string | null): Admitted | Promise<Admitted> {
    if (text === null) throw this.#failed(request, 'malformed')
    if (this.#plane.identity === null) {
      throw new RaftwayError(
        'NOT_FORMED',
        'This node belongs to no cluster yet, and knows no token.',
      )
    }
    const verified = verifyToken(this.#view, text, this.#clock.now(), null)
    if (verified.ok) return this.#allow(request, need, this.#holding(request, verified.holder))
    if (verified.reason !== 'unknown' || this.#waitMs(request) > 0)
      throw this.#failed(request, verified.reason)
    return this.#byTokenOnceCaughtUp(request, need, text)
  }

  /** What this node does not know may have been written elsewhere. It costs what a read costs. */
  async #byTokenOnceCaughtUp(request: RequestHead, need: Need, text: string): Promise<Admitted> {
    try {
      await this.#plane.readBarrier(TOKEN_CATCH_UP_MS_MAX)
    } catch (error) {
      if (!isRaftwayError(error)) throw error
      // Without a leader, what this node knows is all there is.
    }
    const verified = verifyToken(this.#view, text, this.#clock.now(), null)
    if (!verified.ok) throw this.#failed(request, verified.reason)
    return this.#allow(request, need, this.#holding(request, verified.holder))
  }

  #holding(request: RequestHead, holder: TokenHolder): Admitted {
    const { name, role, kinds } = holder
    const address = addressOf(request)
    return {
      caller: { via: 'token', name, role, kinds: kinds === null ? null : [...kinds], address },
      isVouchedFor: false,
      refusal: () => {
        const reason = stillHolds(this.#view, holder, this.#clock.now())
        return reason === null ? null : wordsFor(reason, holder.name)
      },
    }
  }

  #byConnection(request: RequestHead): Admitted {
    const address = addressOf(request)
    const peer = this.#options.peerOf(request)
    if (peer !== null && !peer.isRevoked()) {
      const { role, name } = peer
      return {
        caller: { via: 'certificate', name, role, kinds: null, address },
        isVouchedFor: false,
        refusal: () => (peer.isRevoked() ? `the certificate of ${name} was revoked` : null),
      }
    }
    if (this.#options.isOpen && !this.#isForeignPage(request)) {
      return { caller: localCaller(address), isVouchedFor: false, refusal: null }
    }
    throw new RaftwayError('UNAUTHENTICATED', 'The call carries no token.')
  }

  #vouchedFor(request: RequestHead, header: string): Admitted {
    const isNode = this.#options.peerOf(request)?.role === 'node'
    const secret = this.#plane.state.access?.forwardingSecret ?? null
    if (!isNode && secret === null) {
      // The node that sent it has applied more than this one: it does not lead, or not yet.
      throw new RaftwayError(
        'NOT_LEADER',
        `${this.#plane.self.name} cannot tell who vouches for a caller yet.`,
      )
    }
    const { method = '', url = '', headers } = request
    const key = headers['idempotency-key']
    const head = { method, target: url, key: typeof key === 'string' ? key : '' }
    const caller = decodeCaller(header, head, isNode ? null : secret)
    if (caller !== null) return { caller, isVouchedFor: true, refusal: null }
    throw this.#failed(request, 'malformed')
  }

  #failed(request: RequestHead, reason: TokenRefusal): RaftwayError {
    // Who has the right secret guesses nothing.
    if (reason === 'expired' || reason === 'revoked')
      return new RaftwayError('UNAUTHENTICATED', `${wordsFor(reason, null)}.`)
    const waitMs = this.#waitMs(request)
    this.#attempts.fail(addressOf(request), this.#clock.monotonic())
    if (waitMs > 0) {
      const detail = 'Too many attempts with tokens that are not good came from this address.'
      const extra = { retryAfterSeconds: Math.ceil(waitMs / 1_000) }
      return new RaftwayError('TOO_MANY_ATTEMPTS', detail, { extra })
    }
    return new RaftwayError('UNAUTHENTICATED', `${wordsFor(reason, null)}.`)
  }

  #waitMs(request: RequestHead): number {
    return this.#attempts.waitMs(addressOf(request), this.#clock.monotonic())
  }

  /**
   * A browser on this machine carries out what pages of others ask of it. It says so in Sec-Fetch-Site, and a page that
   * had its own name point here (DNS rebinding) gives itself away by that name: no name without a dot can be had.
   */
  #isForeignPage({ headers }: RequestHead): boolean {
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'none' && site !== 'same-origin') return true
    if (!this.#options.isLoopback || headers.host === undefined) return false
    const host = headers.host.replace(/:\d*$/, '').replace(/^\[|\]$/g, '')
    return isIP(host) === 0 && host.includes('.') && !/\.localhost$/i.test(host)
  }

  #revokedTokens(): ReadonlySet<string> {
    this.#revoked ??= new Set(
      this.#plane.state.list('Revocation').flatMap((each) => revocationSpecOf(each)?.token ?? []),
    )
    return this.#revoked
  }

  #onApplied({ changes }: AppliedChange): void {
    const isAboutAccess = changes.some((change) => {
      const { kind } = change.op === 'put' ? change.definition : change
      return kind === 'Token' || kind === 'Revocation'
    })
    if (isAboutAccess) this.#onAccessChanged()
  }

  #onAccessChanged(): void {
    this.#revoked = null
    this.#endStreams()
  }

  #endStreams(): void {
    for (const stream of this.#streams) {
      const reason = stream.refusal()
      if (reason === null) continue
      this.#streams.delete(stream)
      stream.end('UNAUTHENTICATED', reason)
    }
  }
}

/** Where a request came from; an IPv4 address as such, also on a socket of both families. */
export function addressOf(request: RequestHead): string {
  return (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=[\d.]+$)/, '')
}

function bearerOf(authorization: string): string | null {
  return /^Bearer +([^\s,]+) *$/i.exec(authorization)?.[1] ?? null
}

/** What is said of a token that is refused. Which part of an unknown one was wrong is told to nobody. */
function wordsFor(reason: TokenRefusal, name: string | null): string {
  const token = name === null ? 'The token' : `the token ${name}`
  switch (reason) {
    case 'revoked':
      return `${token} was revoked`
    case 'expired':
      return `${token} has expired`
    case 'role':
      return `${token} has other rights now`
    case 'malformed':
    case 'unknown':
      return `${token} is not known`
    default:
      return reason satisfies never
  }
}
