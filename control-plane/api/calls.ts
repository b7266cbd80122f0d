import type { Express, NextFunction, Request, Response } from 'express'
import { RaftwayError } from '../../shared/errors.ts'
import { suggest } from '../../shared/suggest.ts'
import type { ApiContext } from './context.ts'

type Method = 'get' | 'put' | 'post' | 'delete'

type Handler = (request: Request, response: Response) => void | Promise<void>

/** One path of the API and the methods that it takes. `{name}` stands for one segment. */
export type Call = {
  readonly path: string
  readonly methods: Readonly<Partial<Record<Method, Handler>>>
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
  for (const [method, handler] of Object.entries(call.methods) as [Method, Handler][]) {
    const name = `${method.toUpperCase()} ${call.path}`
    allowed.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
    route[method](call.isOpenEnded === true ? handler : measured(api, name, handler))
  }
  const allow = allowed.join(', ')
  route.all((request: Request, response: Response, _next: NextFunction) => {
    response.setHeader('Allow', allow)
    const detail = `${call.path} does not take ${request.method}; it takes ${allow}.`
    throw new RaftwayError('METHOD_NOT_ALLOWED', detail)
  })
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
