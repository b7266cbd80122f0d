import type { HealthSpec } from '../definitions/health.ts'
import type { UpstreamTls } from '../definitions/upstream-tls.ts'
import {
  CHECK_INTERVAL_MS_DEFAULT,
  CHECK_TIMEOUT_MS_DEFAULT,
  EJECT_LONGEST_MS_DEFAULT,
  EJECT_MS_DEFAULT,
  EJECT_PERCENT_DEFAULT,
  FAILURES_IN_ROW_DEFAULT,
  HEALTHY_AFTER_DEFAULT,
  PANIC_PERCENT_DEFAULT,
  UNHEALTHY_AFTER_DEFAULT,
} from '../limits.ts'
import type { ActiveCheck, CompiledHealth, PassiveJudgement } from './types.ts'

/** One object for all upstreams that say nothing of health. */
const UNJUDGED: CompiledHealth = {
  active: null,
  passive: null,
  panicPercent: PANIC_PERCENT_DEFAULT,
  slowStartMs: 0,
}

/** Health options with their defaults. */
export function compileHealth(
  spec: HealthSpec | undefined,
  tls: UpstreamTls | null,
): CompiledHealth {
  if (spec === undefined) return UNJUDGED
  return {
    active: spec.active === undefined ? null : compileActive(spec.active, tls),
    passive: spec.passive === undefined ? null : compilePassive(spec.passive),
    panicPercent: spec.panicPercent ?? PANIC_PERCENT_DEFAULT,
    slowStartMs: spec.slowStartMs ?? 0,
  }
}

function compileActive(
  spec: NonNullable<HealthSpec['active']>,
  tls: UpstreamTls | null,
): ActiveCheck {
  return {
    type: spec.type ?? 'http',
    path: spec.path ?? '/',
    host: spec.host ?? null,
    statuses: spec.statuses ?? null,
    service: spec.service ?? '',
    port: spec.port ?? null,
    tls,
    intervalMs: spec.intervalMs ?? CHECK_INTERVAL_MS_DEFAULT,
    timeoutMs: spec.timeoutMs ?? CHECK_TIMEOUT_MS_DEFAULT,
    unhealthyAfter: spec.unhealthyAfter ?? UNHEALTHY_AFTER_DEFAULT,
    healthyAfter: spec.healthyAfter ?? HEALTHY_AFTER_DEFAULT,
  }
}

function compilePassive(spec: NonNullable<HealthSpec['passive']>): PassiveJudgement {
  const ejectMs = spec.ejectMs ?? EJECT_MS_DEFAULT
  return {
    failuresInRow: spec.failuresInRow ?? FAILURES_IN_ROW_DEFAULT,
    ejectMs,
    ejectMsMax: Math.max(ejectMs, spec.ejectMsMax ?? EJECT_LONGEST_MS_DEFAULT),
    ejectPercentMax: spec.ejectPercentMax ?? EJECT_PERCENT_DEFAULT,
  }
}
