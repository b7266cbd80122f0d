import type { BotDenyOptions, UserAgentPattern } from '../../shared/plugins/bot-deny.ts'
import { compileRegex } from '../../shared/routing/regex.ts'
import { errorReply } from '../reply.ts'
import type { Check } from './plugin.ts'
import { Verdicts } from './verdicts.ts'

/** Refuses programs by what they say of themselves in User-Agent, unless it is one of those that may pass. */
export function botDeny({ deny, allow = [], missing, status }: BotDenyOptions): Check {
  const plain = errorReply('BOT_DENIED', 'programs of this kind are not served here')
  const refusal = status === undefined ? plain : { ...plain, status }
  const allowed = allow.map(testOf)
  const denied = deny.map(testOf)
  const withNone = missing === 'deny' ? refusal : undefined
  const verdicts = new Verdicts(
    (agent) => !allowed.some((test) => test(agent)) && denied.some((test) => test(agent)),
  )
  return ({ exchange }) => {
    const agent = exchange.header('user-agent')
    if (agent === undefined || agent === '') return withNone
    return verdicts.of(agent) ? refusal : undefined
  }
}

function testOf(pattern: UserAgentPattern): (agent: string) => boolean {
  if (typeof pattern === 'string') {
    const text = pattern.toLowerCase()
    return (agent) => agent.toLowerCase().includes(text)
  }
  const compiled = compileRegex(pattern.regex)
  // Validated with the definition; what this version cannot read refuses everybody rather than nobody.
  return compiled.ok ? (agent) => compiled.regex.test(agent) : () => true
}
