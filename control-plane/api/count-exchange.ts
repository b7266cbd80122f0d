import { createHmac } from 'node:crypto'
import type { Request, Response } from 'express'
import { CountSum } from '../../shared/count-sum.ts'
import { countsReportSchema, type Counted, type CountsAnswer } from '../../shared/count-protocol.ts'
import { zodIssues } from '../../shared/definitions/issues.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { COUNTS_FORGOTTEN_MS, COUNTS_MS } from '../../shared/limits.ts'
import type { Clock } from '../clock.ts'
import type { ControlPlane } from '../ports.ts'
import { sendAnswer } from './answer.ts'
import { readBody } from './body.ts'
import { parseBody } from './body-syntax.ts'
import { pathName, type Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { checkGatewayName } from './gateway-name.ts'
import { Query } from './query.ts'

type CountExchangeParts = {
  readonly plane: Pick<ControlPlane, 'gateways' | 'state'>
  readonly clock: Pick<Clock, 'every' | 'monotonic'>
}

/** A gateway that asks this node: what the others have counted since it did last. */
type Asking = { readonly counts: CountSum; askedMs: number }

/**
 * Tells gateways what the others have counted of limits that all of them share. In memory alone, never in the log: what a
 * node that ends had not passed on is lost, and nobody is refused for it.
 */
export class CountExchange {
  readonly #parts: CountExchangeParts
  readonly #asking = new Map<string, Asking>()
  /** For the other nodes, with the next note. */
  readonly #outgoing = new CountSum()
  readonly #stops: readonly (() => void)[]

  constructor(parts: CountExchangeParts) {
    this.#parts = parts
    this.#stops = [
      parts.plane.gateways.onCounts((counts) => this.#spread(counts, null)),
      parts.clock.every(COUNTS_MS, () => this.#passOn()),
    ]
  }

  /** Takes what one gateway has counted, and gives what others have. */
  exchange(gateway: string, counts: readonly Counted[]): CountsAnswer {
    let own = this.#asking.get(gateway)
    if (own === undefined) {
      own = { counts: new CountSum(), askedMs: 0 }
      this.#asking.set(gateway, own)
    }
    own.askedMs = this.#parts.clock.monotonic()
    this.#spread(counts, gateway)
    for (const counted of counts) this.#outgoing.add(counted)
    return { seed: this.#seed(), counts: own.counts.take() }
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  #spread(counts: readonly Counted[], from: string | null): void {
    for (const [gateway, { counts: sum }] of this.#asking) {
      if (gateway === from) continue
      for (const counted of counts) sum.add(counted)
    }
  }

  #passOn(): void {
    if (this.#outgoing.size > 0) {
      this.#parts.plane.gateways.publishCounts(this.#outgoing.take())
    }
    const nowMs = this.#parts.clock.monotonic()
    for (const [gateway, { askedMs }] of this.#asking) {
      if (nowMs - askedMs > COUNTS_FORGOTTEN_MS) this.#asking.delete(gateway)
    }
  }

  /** The same in the whole cluster, and known to nobody outside: keys that fall together cannot be chosen. */
  #seed(): [number, number] {
    const secret = this.#parts.plane.state.access?.forwardingSecret ?? ''
    const digest = createHmac('sha256', secret).update('raftway counters').digest()
    return [digest.readInt32LE(0), digest.readInt32LE(4)]
  }
}

/** `POST /v1/gateways/{name}/counters`. */
export function countCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/gateways/{name}/counters',
      methods: {
        post: {
          need: { right: 'report' },
          handle: (request, response) => takeCounts(api, request, response),
        },
      },
    },
  ]
}

async function takeCounts(api: ApiContext, request: Request, response: Response): Promise<void> {
  const name = pathName(request)
  const query = new Query(request.url, [])
  checkGatewayName(query, 'name', name)
  query.finish()
  const body = await readBody(request, api.bounds.bodyBytesMax)
  const parsed = countsReportSchema.safeParse(parseBody(body.bytes, body.syntax))
  if (!parsed.success) {
    const issues = zodIssues(parsed.error, countsReportSchema, '')
    throw new RaftwayError('INVALID_REQUEST', 'The report is not valid.', { issues })
  }
  const { revision } = api.plane.state
  sendAnswer(response, {
    status: 200,
    revision,
    body: api.counts.exchange(name, parsed.data.counts),
  })
}
