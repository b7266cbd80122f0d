import type { Agent } from 'node:http'
import type { Counted, CountsAnswer } from '../../shared/count-protocol.ts'
import { CountSum } from '../../shared/count-sum.ts'
import { describeError } from '../../shared/errors.ts'
import { COUNTS_ANSWER_MS_MAX, COUNTS_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { ControlAccess } from './control-access.ts'
import { postJson } from './post-json.ts'

const ANSWER_BYTES_MAX = 4 * 1024 * 1024

/**
 * Tells the node that is watched what the workers of this gateway have counted of limits that all gateways share, and the
 * workers what others have: every COUNTS_MS, from the first such request on. What cannot be told waits, each key once.
 */
export class CountReporter {
  readonly #path: string
  readonly #access: () => ControlAccess | null
  readonly #onAnswer: (answer: CountsAnswer) => void
  readonly #logger: Logger
  readonly #sum = new CountSum()
  #node: { readonly origin: string; readonly agent: Agent } | null = null
  #timer: NodeJS.Timeout | null = null
  #isAsking = false

  constructor(parts: {
    readonly name: string
    readonly access: () => ControlAccess | null
    readonly onAnswer: (answer: CountsAnswer) => void
    readonly logger: Logger
  }) {
    this.#path = `/v1/gateways/${encodeURIComponent(parts.name)}/counters`
    this.#access = parts.access
    this.#onAnswer = parts.onAnswer
    this.#logger = parts.logger
  }

  /** The node to tell; null while none is known. */
  follow(origin: string | null): void {
    if (origin === this.#node?.origin) return
    this.#node?.agent.destroy()
    const access = this.#access()
    this.#node =
      origin === null || access === null
        ? null
        : { origin, agent: access.agent(origin, { keepAlive: true, maxSockets: 1 }) }
  }

  /** What a worker has counted. */
  add(counts: readonly Counted[]): void {
    for (const counted of counts) this.#sum.add(counted)
    if (this.#timer !== null) return
    this.#timer = setInterval(() => this.#ask(), COUNTS_MS)
    this.#timer.unref()
    this.#ask()
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#node?.agent.destroy()
    this.#node = null
  }

  #ask(): void {
    if (this.#isAsking || this.#node === null) return
    this.#isAsking = true
    // It hears its own failures.
    void this.#exchange({ ...this.#node, token: this.#access()?.token ?? null })
  }

  async #exchange(node: Parameters<typeof postJson>[0]): Promise<void> {
    const counts = this.#sum.take()
    try {
      const answer = await postJson(node, {
        path: this.#path,
        body: { counts },
        silenceMs: COUNTS_ANSWER_MS_MAX,
        answerBytesMax: ANSWER_BYTES_MAX,
      })
      if (answer !== null) this.#onAnswer(answer as CountsAnswer) // A node of this cluster says it.
    } catch (error) {
      for (const counted of counts) this.#sum.add(counted)
      this.#logger.debug({ reason: describeError(error) }, 'counts could not be told')
    } finally {
      this.#isAsking = false
    }
  }
}
