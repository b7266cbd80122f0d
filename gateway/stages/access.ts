import type { Check } from '../plugins/plugin.ts'
import { shedLoad } from '../plugins/shed-load.ts'
import type { StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'

/** Runs the checks of the route's plugins until one of them replies. */
export function accessStage(context: RequestContext): StageResult {
  const plugins = context.route?.plugins ?? null
  if (plugins === null) return shedLoad(context)
  return runChecks(context.parts.access.checksOf(plugins, context.route), context, 0)
}

function runChecks(checks: readonly Check[], context: RequestContext, from: number): StageResult {
  for (let at = from; at < checks.length; at++) {
    const result = checks[at]?.(context)
    if (result === undefined) continue
    if (!(result instanceof Promise)) return result
    // A client that did not wait must not be counted, nor held against others.
    return result.then((reply) =>
      context.isOver ? reply : (reply ?? runChecks(checks, context, at + 1)),
    )
  }
  return undefined
}
