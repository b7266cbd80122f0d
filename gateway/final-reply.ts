import type { CompiledErrors } from './errors/compile-errors.ts'
import { compileErrors } from './errors/compile-errors.ts'
import { formatOf } from './errors/format-of.ts'
import { writeError } from './errors/write-error.ts'
import type { ApiErrors } from '../shared/definitions/api-errors.ts'
import { isGrpc } from './grpc.ts'
import { httpsUrl } from './https-redirect.ts'
import { fieldText } from './plugins/edits.ts'
import { JSON_LINE, type Reply } from './reply.ts'
import type { RequestContext } from './request-context.ts'

/**
 * A reply of the gateway as this client gets it: an error in the form it asked for, and what its route tells clients. The
 * context knows of it from then on.
 */
export function finalReply(context: RequestContext, given: Reply, requestId: string): Reply {
  const { answerDropped, parts, route } = context
  const plugins = route?.plugins ?? null
  // A refusal before the checks ran: the page that called is to read it all the same.
  if (plugins !== null && answerDropped === null)
    void parts.access.corsOf(plugins, route)?.(context)
  const reply = written(context, given, requestId)
  context.status = reply.status
  context.code = reply.code
  context.responseBytes += reply.body.length
  const { answerLines } = context
  return answerLines === '' ? reply : { ...reply, lines: reply.lines + answerLines }
}

function written(context: RequestContext, reply: Reply, requestId: string): Reply {
  const { exchange, parts, route } = context
  const { code } = reply
  if (code === null || isGrpc(exchange)) return reply
  const format = formatOf(exchange.path, exchange.query, exchange.header('accept'))
  const errors = route === null || route.errors === null ? null : compiledOf(route.errors)
  // The usual error, as it was made when the program began.
  if (errors === null && format.format === 'json') return reply
  const status = errors?.statuses.get(code) ?? reply.status
  const facts = {
    code,
    status,
    message: reply.message ?? '',
    requestId,
    baseUrl: `${exchange.isTls ? 'https' : 'http'}://${exchange.authority}`,
    httpsUrl: httpsUrl(exchange, parts.tls?.port ?? null),
  }
  const { body, message, cacheControl } = writeError(facts, format, errors)
  const typed = reply.lines.replace(JSON_LINE, `Content-Type: ${format.type}\r\n`)
  const lines =
    cacheControl === null ? typed : `${typed}Cache-Control: ${fieldText(cacheControl)}\r\n`
  return { ...reply, status, message, lines, body: Buffer.from(body) }
}

/** Compiled once for each form of an Api's errors, whatever routes share it. */
function compiledOf(errors: ApiErrors): CompiledErrors {
  let compiled = COMPILED.get(errors)
  if (compiled === undefined) {
    compiled = compileErrors(errors)
    COMPILED.set(errors, compiled)
  }
  return compiled
}

const COMPILED = new WeakMap<ApiErrors, CompiledErrors>()
