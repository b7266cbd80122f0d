import { request, type Dispatcher } from 'undici'
import type { QuotaSpec } from '../../shared/definitions/quota.ts'
import { entitledQuotas } from '../../shared/entitlements.ts'
import { describeError } from '../../shared/errors.ts'
import { ALERT_ANSWER_MS_MAX, ALERT_TRIES_MAX, ALERTS_WAITING_MAX } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import { periodEnd } from '../../shared/quota-period.ts'
import type { Clock } from '../clock.ts'
import type { ControlPlane, UsageStep } from '../ports.ts'
import { planSpec } from './usage.ts'

const RETRY_MS = 1_000

/** What a webhook is told, as JSON. */
type Alert = {
  readonly event: 'quota'
  readonly consumer: string
  readonly quota: string
  /** Name of the key, where keys are counted apart. */
  readonly key: string | null
  readonly percent: number
  readonly limit: number
  readonly used: number
  readonly periodStartedAt: string
  readonly periodEndsAt: string
}

type AlertParts = {
  readonly plane: Pick<ControlPlane, 'usage' | 'state'>
  readonly clock: Pick<Clock, 'after'>
  readonly logger: Logger
  /** Default: undici's own. */
  readonly dispatcher?: Dispatcher
}

/**
 * Tells webhooks that so much of a quota is used, from the node that leads: once a period for each threshold, several times
 * when an answer was lost, and not at all when the leader ends between the count and its telling.
 */
export class QuotaAlerts {
  readonly #parts: AlertParts
  readonly #stop: () => void
  #waiting = 0
  #isClosed = false

  constructor(parts: AlertParts) {
    this.#parts = parts
    this.#stop = parts.plane.usage.onGrown((steps) => {
      for (const step of steps) this.#look(step)
    })
  }

  close(): void {
    this.#isClosed = true
    this.#stop()
  }

  #look(step: UsageStep): void {
    const [name = '', key = null] = step.quota.split('/', 2)
    const quota = this.#quotaOf(step.consumer, name)
    const { percents = [], url = '' } = quota?.alerts ?? {}
    if (quota === undefined) return
    for (const percent of percents) {
      const at = (percent * quota.limit) / 100
      if (step.before >= at || step.used < at) continue
      this.#tell(url, {
        event: 'quota',
        consumer: step.consumer,
        quota: name,
        key,
        percent,
        limit: quota.limit,
        used: step.used,
        periodStartedAt: new Date(step.startMs).toISOString(),
        periodEndsAt: new Date(periodEnd(quota, step.startMs)).toISOString(),
      })
    }
  }

  /** Of the Consumer or its Plans: what a route adds is known to gateways alone. */
  #quotaOf(consumer: string, name: string): QuotaSpec | undefined {
    const { state } = this.#parts.plane
    const found = state.get('Consumer', consumer)
    if (found?.kind !== 'Consumer') return undefined
    const plans = new Map(
      (found.spec.plans ?? []).flatMap((plan) => planSpec(state.get('Plan', plan))),
    )
    return entitledQuotas(found.spec, plans).find(({ quota }) => quota.name === name)?.quota
  }

  #tell(url: string, alert: Alert): void {
    const { logger } = this.#parts
    const { consumer, quota, percent } = alert
    if (this.#waiting >= ALERTS_WAITING_MAX) {
      logger.warn({ consumer, quota, percent }, 'an alert is not told: too many wait already')
      return
    }
    this.#waiting += 1
    void this.#post(url, alert, 1)
  }

  /** Never rejects. */
  async #post(url: string, alert: Alert, attempt: number): Promise<void> {
    const { clock, logger, dispatcher } = this.#parts
    const { consumer, quota, percent } = alert
    try {
      const { statusCode, body } = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(alert),
        headersTimeout: ALERT_ANSWER_MS_MAX,
        bodyTimeout: ALERT_ANSWER_MS_MAX,
        ...(dispatcher === undefined ? {} : { dispatcher }),
      })
      await body.dump()
      if (statusCode >= 300) throw new Error(`status ${statusCode}`)
      this.#waiting -= 1
      logger.info({ consumer, quota, percent }, 'an alert was told')
    } catch (error) {
      if (attempt < ALERT_TRIES_MAX && !this.#isClosed) {
        clock.after(RETRY_MS * 2 ** attempt, () => void this.#post(url, alert, attempt + 1))
        return
      }
      this.#waiting -= 1
      const reason = describeError(error)
      logger.warn({ consumer, quota, percent, reason }, 'an alert could not be told')
    }
  }
}
