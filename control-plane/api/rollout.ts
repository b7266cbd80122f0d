import { definitionKey } from '../../shared/changes.ts'
import { ROLLOUTS_WAITING_MAX } from '../../shared/limits.ts'
import type { GatewayStatus } from '../ports.ts'
import type { GatewayRegistry } from './gateway-registry.ts'

/** How far a write has come among the connected gateways: the answer of `?wait=applied`. */
export type Rollout = {
  readonly revision: number
  readonly gateways: number
  readonly applied: number
  readonly behind: readonly Behind[]
}

/** One gateway that does not serve the write, and why. `revision` is what it serves; 0 if it has not said. */
type Behind = { readonly name: string; readonly revision: number; readonly reason: string }

export type RolloutRequest = {
  readonly revision: number
  /** Keys of the definitions that the write wrote: a gateway that quarantined one of them has not applied it. */
  readonly definitions: ReadonlySet<string>
  readonly timeoutMs: number
}

export type RolloutBoardOptions = {
  readonly gateways: GatewayRegistry
  readonly hashAt: (revision: number) => string | null
}

type Verdict =
  | { readonly type: 'applied' }
  /** `isFinal`: waiting longer will not change it. */
  | { readonly type: 'behind'; readonly isFinal: boolean; readonly behind: Behind }

type Waiting = {
  readonly request: RolloutRequest
  readonly verdicts: Map<string, Verdict>
  /** Gateways that may still apply it. */
  readonly pending: Set<string>
  readonly settle: (rollout: Rollout) => void
  readonly timer: NodeJS.Timeout | null
}

/** Writers that wait for gateways. Each report is held against each of them: nothing is polled. */
export class RolloutBoard {
  readonly #options: RolloutBoardOptions
  readonly #waiting = new Set<Waiting>()
  readonly #stop: () => void

  constructor(options: RolloutBoardOptions) {
    this.#options = options
    this.#stop = options.gateways.onChange((name, status) => this.#onGateway(name, status))
  }

  get count(): number {
    return this.#waiting.size
  }

  /** Resolves once every connected gateway has applied the revision or cannot, or when the time is over. */
  wait(request: RolloutRequest): Promise<Rollout> {
    const { promise, resolve } = Promise.withResolvers<Rollout>()
    const verdicts = new Map<string, Verdict>()
    const pending = new Set<string>()
    for (const { status } of this.#options.gateways.list()) {
      if (status.connected) note({ verdicts, pending }, status.name, this.#judge(status, request))
    }
    const mayWait = request.timeoutMs > 0 && this.#waiting.size < ROLLOUTS_WAITING_MAX
    if (pending.size === 0 || !mayWait) {
      resolve(rolloutOf(request, verdicts))
      return promise
    }
    const waiting: Waiting = {
      request,
      verdicts,
      pending,
      settle: resolve,
      timer: setTimeout(() => this.#settle(waiting), request.timeoutMs),
    }
    this.#waiting.add(waiting)
    return promise
  }

  /** Answers everyone who waits with what is known. */
  close(): void {
    this.#stop()
    for (const waiting of this.#waiting) this.#settle(waiting)
  }

  #onGateway(name: string, status: GatewayStatus | null): void {
    for (const waiting of this.#waiting) {
      const { request, verdicts } = waiting
      // A gateway that left counts only if it was there while the writer waited.
      if (status?.connected !== true && !verdicts.has(name)) continue
      note(waiting, name, status === null ? gone(name) : this.#judge(status, request))
      if (waiting.pending.size === 0) this.#settle(waiting)
    }
  }

  #settle(waiting: Waiting): void {
    if (waiting.timer !== null) clearTimeout(waiting.timer)
    this.#waiting.delete(waiting)
    waiting.settle(rolloutOf(waiting.request, waiting.verdicts))
  }

  #judge(status: GatewayStatus, request: RolloutRequest): Verdict {
    const { name, report } = status
    if (!status.connected) return gone(name, report?.revision)
    if (report === null) return behind(name, 0, 'has not reported yet', false)
    const { revision, hash, quarantined } = report
    if (revision < request.revision) return behind(name, revision, 'has not applied yet', false)
    const refused = quarantined.find((each) =>
      request.definitions.has(definitionKey(each.kind, each.name)),
    )
    if (refused !== undefined) {
      const reason = `quarantined ${definitionKey(refused.kind, refused.name)}: ${refused.reason}`
      return behind(name, revision, reason, true)
    }
    const expected = this.#options.hashAt(revision)
    if (expected !== null && expected !== hash) {
      return behind(name, revision, `its config hash at revision ${revision} differs`, true)
    }
    return { type: 'applied' }
  }
}

function note(
  waiting: Pick<Waiting, 'verdicts' | 'pending'>,
  name: string,
  verdict: Verdict,
): void {
  waiting.verdicts.set(name, verdict)
  if (verdict.type === 'behind' && !verdict.isFinal) waiting.pending.add(name)
  else waiting.pending.delete(name)
}

function behind(name: string, revision: number, reason: string, isFinal: boolean): Verdict {
  return { type: 'behind', isFinal, behind: { name, revision, reason } }
}

function gone(name: string, revision = 0): Verdict {
  return behind(name, revision, 'not connected', true)
}

function rolloutOf(request: RolloutRequest, verdicts: ReadonlyMap<string, Verdict>): Rollout {
  const list: Behind[] = []
  for (const verdict of verdicts.values()) if (verdict.type === 'behind') list.push(verdict.behind)
  return {
    revision: request.revision,
    gateways: verdicts.size,
    applied: verdicts.size - list.length,
    behind: list.sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}
