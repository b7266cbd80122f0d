import { unreachable } from '../../shared/assert.ts'
import type { RateLimitOptions } from '../../shared/plugins/rate-limit.ts'
import type { CompiledLimit } from './compiled-limit.ts'
import type { Want } from './counters.ts'

/** What a caller is told of one limit. */
export type Told = { readonly limit: CompiledLimit; readonly want: Readonly<Want> }

/** Field lines that tell a caller what is left; `refusing` is the limit that refuses, null if none does. */
export type LimitFields = (told: readonly Told[], refusing: Told | null) => string

/** Of a family of fields. */
export function limitFields(headers: RateLimitOptions['headers'] = 'ratelimit'): LimitFields {
  switch (headers) {
    case 'none':
      return () => ''
    case 'ratelimit':
      return rateLimit
    case 'x-ratelimit':
      return xRateLimit
    case 'both':
      return (told, refusing) => rateLimit(told) + xRateLimit(told, refusing)
    default:
      return unreachable(headers)
  }
}

/** draft-ietf-httpapi-ratelimit-headers-10: two structured lists with an item a limit. */
function rateLimit(told: readonly Told[]): string {
  if (told.length === 0) return ''
  let policies = ''
  let states = ''
  for (const { limit, want } of told) {
    const separator = states === '' ? '' : ', '
    policies += separator + limit.policy
    states += `${separator}"${limit.name}";r=${want.remaining}`
    if (want.resetMs > 0) states += `;t=${seconds(want.resetMs)}`
  }
  return `RateLimit-Policy: ${policies}\r\nRateLimit: ${states}\r\n`
}

/** As API Umbrella has them, and the seconds until the window ends. Of one limit. */
function xRateLimit(told: readonly Told[], refusing: Told | null): string {
  const shown = told.find(({ limit }) => limit.isShown) ?? refusing ?? tightest(told)
  if (shown === undefined) return ''
  const { rule } = shown.limit
  const most = rule.algorithm === 'token-bucket' ? rule.burst : rule.limit
  const left = refusing === null ? shown.want.remaining : 0
  const reset = seconds((refusing ?? shown).want.resetMs)
  return `X-RateLimit-Limit: ${most}\r\nX-RateLimit-Remaining: ${left}\r\nX-RateLimit-Reset: ${reset}\r\n`
}

function tightest(told: readonly Told[]): Told | undefined {
  let least = told[0]
  for (const each of told) {
    if (least !== undefined && each.want.remaining < least.want.remaining) least = each
  }
  return least
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000)
}
