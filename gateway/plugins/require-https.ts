import type { RequireHttpsOptions } from '../../shared/plugins/require-https.ts'
import { httpsRedirect, httpsUrl } from '../https-redirect.ts'
import { errorReply, type Reply, type StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import type { Check } from './plugin.ts'

const NO_HOST = errorReply('HTTPS_REQUIRED', 'requests must be made over HTTPS')

type RequireHttps = {
  /** Before anybody is asked who it is; null in a transition. */
  readonly early: Check | null
  /** In its place where a transition looks at who is asking; null without one. */
  readonly late: ((authentication: Check | null) => Check) | null
}

/** Wants TLS of every request, or in a transition of those whose credentials are new, or missing. */
export function requireHttps({ action, from }: RequireHttpsOptions): RequireHttps {
  const refuse = action === 'redirect' ? redirect : refusal
  if (from === undefined) {
    const early: Check = (context) => (context.exchange.isTls ? undefined : refuse(context))
    return { early, late: null }
  }
  const fromMs = Date.parse(from)
  const judge = (context: RequestContext, reply: Reply | undefined): Reply | undefined => {
    if (reply !== undefined) return isMissing(reply) ? refuse(context) : reply
    const { identity } = context
    // A caller without credentials may have an identity all the same: the anonymous Consumer, which has no key.
    if (identity === null || identity.key === '') return refuse(context)
    return (identity.createdAtMs ?? -Infinity) < fromMs ? undefined : refuse(context)
  }
  return {
    early: null,
    late: (authentication) => (context) => {
      const result: StageResult = authentication === null ? undefined : authentication(context)
      if (context.exchange.isTls) return result
      if (result instanceof Promise) return result.then((reply) => judge(context, reply))
      return judge(context, result)
    },
  }
}

function isMissing({ code }: Reply): boolean {
  return code === 'API_KEY_MISSING' || code === 'CREDENTIALS_MISSING'
}

function redirect(context: RequestContext): Reply {
  const { exchange, parts } = context
  return exchange.host === '' ? NO_HOST : httpsRedirect(exchange, parts.tls?.port ?? null)
}

/** Says which URL is the right one. */
function refusal({ exchange, parts }: RequestContext): Reply {
  if (exchange.host === '') return NO_HOST
  const url = httpsUrl(exchange, parts.tls?.port ?? null)
  return errorReply(
    'HTTPS_REQUIRED',
    `requests must be made over HTTPS; try accessing the API at: ${url}`,
  )
}
