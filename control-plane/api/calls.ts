import type { Express, NextFunction, Request, Response } from 'express'
import { RaftwayError } from '../../shared/errors.ts'
import { suggest } from '../../shared/suggest.ts'
import type { Need } from '../access/rights.ts'
import { auditCall, auditRefusal, isAudited } from './audit.ts'
import type { ApiContext } from './context.ts'
import type { ApiRequest, ApiResponse } from './exchange.ts'
import type { Admitted } from './gate.ts'

export type Method = 'get' | 'put' | 'post' | 'delete'

/** What one method of a path needs, and what it does. */
type EntryOf<Q, R> = {
  /** What the caller must be allowed to do: known from the request line. */
  readonly need: Need | ((request: Q) => Need)
  readonly handle: (request: Q, response: R) => void | Promise<void>
}

type Entry = EntryOf<Request, Response>
export type HotEntry = EntryOf<ApiRequest, ApiResponse>

/** One path of the API and the methods that it takes. `{name}` stands for one segment. */
export type Call = {
  readonly path: string
  readonly methods: Readonly<Partial<Record<Method, Entry>>>
  /** Duration is not measured: the call stays open. */
  readonly isOpenEnded?: boolean
}

/** A call that comes so often that it is answered without the web framework, if its request is a plain one. */
export type HotCall = Omit<Call, 'methods' | 'isOpenEnded'> & {
  readonly methods: Readonly<Partial<Record<Method, HotEntry>>>
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

/** The value of `{name}` in the path of a call, or of another of its segments. */
export function pathName(request: ApiRequest, segment = 'name'): string {
  const value = request.params[segment]
  return typeof value === 'string' ? value : ''
}

function mountCall(app: Express, api: ApiContext, call: Call): void {
  const route = app.route(call.path.replace(/\{(\w+)\}/g, ':$1'))
  const allowed: string[] = []
  for (const [method, entry] of Object.entries(call.methods) as [Method, Entry][]) {
    allowed.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
    const name = callName(method, call)
    const handler = guarded<Request, Response>(api, name, entry)
    route[method](call.isOpenEnded === true ? handler : measured(api, name, handler))
  }
  const allow = allowed.join(', ')
  route.all((request: Request, response: Response, _next: NextFunction) => {
    response.setHeader('Allow', allow)
    const detail = `${call.path} does not take ${request.method}; it takes ${allow}.`
    throw new RaftwayError('METHOD_NOT_ALLOWED', detail)
  })
}

/**
 * The one entrance: nothing is carried out for a caller who was not let in, whoever has read the request.
 */
export function guarded<Q extends ApiRequest, R extends ApiResponse>(
  api: ApiContext,
  name: string,
  entry: EntryOf<Q, R>,
): (request: Q, response: R) => void | Promise<void> {
  return (request, response) => {
    const need = typeof entry.need === 'function' ? entry.need(request) : entry.need
    const carryOut = (): void | Promise<void> => {
      if (isAudited(need)) {
        response.once('finish', () => auditCall(api, { request, response }, name))
      }
      return entry.handle(request, response)
    }
    let admitted: Admitted | Promise<Admitted>
    try {
      admitted = api.gate.admit(request, need)
    } catch (error) {
      throw refused(api, request, { name, error })
    }
    if (!(admitted instanceof Promise)) return carryOut()
    return admitted.then(carryOut, (error: unknown) => {
      throw refused(api, request, { name, error })
    })
  }
}

function refused(
  api: ApiContext,
  request: ApiRequest,
  { name, error }: { readonly name: string; readonly error: unknown },
): unknown {
  auditRefusal(api, request, { action: name, error, admitted: api.gate.whoever(request) })
  return error
}

/** How a call is named in metrics. */
export function callName(method: Method, { path }: Pick<Call, 'path'>): string {
  return `${method.toUpperCase()} ${path}`
}

/** The same handler; how long it takes is counted. */
export function measured<Q, R extends { readonly statusCode: number } & Finishing>(
  api: ApiContext,
  name: string,
  handler: (request: Q, response: R) => void | Promise<void>,
): (request: Q, response: R) => void | Promise<void> {
  return (request, response) => {
    const start = performance.now()
    response.once('finish', () => {
      api.metrics.observe(name, response.statusCode, performance.now() - start)
    })
    return handler(request, response)
  }
}

type Finishing = { once(event: 'finish', listener: () => void): unknown }
