import type { Express, NextFunction, Request, Response } from 'express'
import { RaftwayError } from '../../shared/errors.ts'
import { suggest } from '../../shared/suggest.ts'
import type { Need } from '../access/rights.ts'
import { auditCall, auditRefusal, isAudited } from './audit.ts'
import type { ApiContext } from './context.ts'
import type { Admitted } from './gate.ts'

type Method = 'get' | 'put' | 'post' | 'delete'

type Handler = (request: Request, response: Response) => void | Promise<void>

/** What one method of a path needs, and what it does. */
type Entry = {
  /** What the caller must be allowed to do: known from the request line. */
  readonly need: Need | ((request: Request) => Need)
  readonly handle: Handler
}

/** One path of the API and the methods that it takes. `{name}` stands for one segment. */
export type Call = {
  readonly path: string
  readonly methods: Readonly<Partial<Record<Method, Entry>>>
  /** Duration is not measured: the call stays open. */
  readonly isOpenEnded?: boolean
}

/** Adds calls to the app: what a path does not take is 405 with Allow, what no path takes is 404. */
export function mountCalls(app: Express, api: ApiContext, calls: readonly Call[]): void {
  for (const call of calls) mountCall(app, api, call)
  const paths = calls.map((call) => call.path)
  app.use((request: Request) => {
    const meant = suggest(request.path, paths)
    const hint = meant === null ? '' : `; did you mean ${meant}?`
    throw new RaftwayError('UNKNOWN_CALL', `There is no call ${request.path}${hint}`)
  })
}

/** The value of `{name}` in the path of a call. */
export function pathName(request: Request): string {
  const { name } = request.params
  return typeof name === 'string' ? name : ''
}

function mountCall(app: Express, api: ApiContext, call: Call): void {
  const route = app.route(call.path.replace(/\{(\w+)\}/g, ':$1'))
  const allowed: string[] = []
  for (const [method, entry] of Object.entries(call.methods) as [Method, Entry][]) {
    const name = `${method.toUpperCase()} ${call.path}`
    allowed.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
    const handler = guarded(api, name, entry)
    route[method](call.isOpenEnded === true ? handler : measured(api, name, handler))
  }
  const allow = allowed.join(', ')
  route.all((request: Request, response: Response, _next: NextFunction) => {
    response.setHeader('Allow', allow)
    const detail = `${call.path} does not take ${request.method}; it takes ${allow}.`
    throw new RaftwayError('METHOD_NOT_ALLOWED', detail)
  })
}

/** Nothing is carried out for a caller who was not let in. */
function guarded(api: ApiContext, name: string, entry: Entry): Handler {
  return (request, response) => {
    const need = typeof entry.need === 'function' ? entry.need(request) : entry.need
    let admitted: Admitted | Promise<Admitted>
    try {
      admitted = api.gate.admit(request, need)
    } catch (error) {
      throw refused(api, request, { name, error })
    }
    if (!(admitted instanceof Promise))
      return carryOut(api, { request, response, need }, { name, entry })
    return admitted.then(
      () => carryOut(api, { request, response, need }, { name, entry }),
      (error: unknown) => {
        throw refused(api, request, { name, error })
      },
    )
  }
}

type Exchange = { readonly request: Request; readonly response: Response; readonly need: Need }

function carryOut(
  api: ApiContext,
  { request, response, need }: Exchange,
  { name, entry }: { readonly name: string; readonly entry: Entry },
): void | Promise<void> {
  if (isAudited(need)) {
    response.once('finish', () => auditCall(api, { request, response }, name))
  }
  return entry.handle(request, response)
}

function refused(
  api: ApiContext,
  request: Request,
  { name, error }: { readonly name: string; readonly error: unknown },
): unknown {
  auditRefusal(api, request, { action: name, error, admitted: api.gate.whoever(request) })
  return error
}

function measured(api: ApiContext, name: string, handler: Handler): Handler {
  return (request, response) => {
    const start = performance.now()
    response.once('finish', () => {
      api.metrics.observe(name, response.statusCode, performance.now() - start)
    })
    return handler(request, response)
  }
}
