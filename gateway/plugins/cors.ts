import type { CorsOptions } from '../../shared/plugins/cors.ts'
import { compileRegex, quoteRegex } from '../../shared/routing/regex.ts'
import type { Exchange } from '../exchange.ts'
import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import type { Check } from './plugin.ts'
import { Verdicts } from './verdicts.ts'

const DENIED = errorReply('ORIGIN_DENIED', 'pages of this origin may not call')

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** What a target says of other origins does not count: the gateway says it. */
const FIELDS_OF_TARGETS = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-allow-private-network',
  'access-control-expose-headers',
  'access-control-max-age',
]

/**
 * Tells browsers which pages may call, on every answer whoever gives it, and answers preflights by itself: `matchStage` has
 * found the route that the request after it would take.
 */
export function cors(options: CorsOptions): Check {
  const { permissionOf, vary } = compileOrigins(options)
  const preflight = compilePreflight(options, vary)
  const isStrict = options.others === 'deny'
  const exposed =
    options.exposed === undefined
      ? ''
      : `Access-Control-Expose-Headers: ${options.exposed.join(', ')}\r\n`
  return (context) => {
    const { exchange } = context
    context.answerDropped = FIELDS_OF_TARGETS
    const origin = exchange.header('origin')
    const permission = origin === undefined ? '' : permissionOf(origin)
    if (permission === '') {
      context.answerLines += vary
      if (isStrict && origin !== undefined && !isOwn(origin, exchange)) return DENIED
      return context.isPreflight ? preflight(context, '') : undefined
    }
    if (context.isPreflight) return preflight(context, permission)
    context.answerLines += permission + exposed + vary
    return undefined
  }
}

/** A page of this very host may send its origin, too. */
function isOwn(origin: string, { isTls, authority }: Exchange): boolean {
  return origin === `${isTls ? 'https' : 'http'}://${authority}`
}

type Origins = {
  /** The lines that let an origin in; empty for one that may not. */
  readonly permissionOf: (origin: string) => string
  /** For answers that depend on the origin. */
  readonly vary: string
}

function compileOrigins({ origins, credentials }: CorsOptions): Origins {
  if (origins.includes('*')) {
    return { permissionOf: () => 'Access-Control-Allow-Origin: *\r\n', vary: '' }
  }
  const more = credentials === true ? 'Access-Control-Allow-Credentials: true\r\n' : ''
  const exact = new Set<string>()
  const tests: ((origin: string) => boolean)[] = []
  for (const origin of origins) {
    if (typeof origin !== 'string') tests.push(testOf(`^(?:${origin.regex})$`))
    else if (origin.includes('*')) tests.push(testOf(wildcard(origin.toLowerCase())))
    else exact.add(origin.toLowerCase())
  }
  const verdicts = new Verdicts((origin) => {
    const lower = origin.toLowerCase()
    const isAllowed = exact.has(lower) || tests.some((test) => test(lower))
    return isAllowed ? `Access-Control-Allow-Origin: ${origin}\r\n${more}` : ''
  })
  return { permissionOf: (origin) => verdicts.of(origin), vary: 'Vary: Origin\r\n' }
}

function wildcard(origin: string): string {
  return `^${origin.split('*').map(quoteRegex).join('[^/]*')}$`
}

function testOf(source: string): (origin: string) => boolean {
  const compiled = compileRegex(source)
  // Validated with the definition; what this version cannot read lets nobody in.
  return compiled.ok ? (origin) => compiled.regex.test(origin) : () => false
}

/** Answers the question before the request itself. An origin without permission hears nothing that would be one. */
function compilePreflight(
  options: CorsOptions,
  vary: string,
): (context: RequestContext, permission: string) => Reply {
  const methods = `Access-Control-Allow-Methods: ${(options.methods ?? METHODS).join(', ')}\r\n`
  const { maxAgeSeconds: seconds } = options
  const age = seconds === undefined ? '' : `Access-Control-Max-Age: ${seconds}\r\n`
  const headers = options.headers?.join(', ')
  const varied =
    (vary === '' ? 'Vary: ' : 'Vary: Origin, ') +
    'Access-Control-Request-Method, Access-Control-Request-Headers\r\n'
  return (context, permission) => {
    const { exchange } = context
    context.answerLines = ''
    if (permission === '') return answer(varied)
    const asked = headers ?? exchange.header('access-control-request-headers') ?? ''
    const allowed = asked === '' ? '' : `Access-Control-Allow-Headers: ${asked}\r\n`
    const isPrivate =
      options.privateNetwork === true &&
      exchange.header('access-control-request-private-network') === 'true'
    const network = isPrivate ? 'Access-Control-Allow-Private-Network: true\r\n' : ''
    return answer(permission + methods + allowed + network + age + varied)
  }
}

const NOTHING = Buffer.alloc(0)

function answer(lines: string): Reply {
  return { status: 204, lines, body: NOTHING, code: null }
}
