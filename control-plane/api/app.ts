import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import helmet from 'helmet'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { lingerAfterRefusal } from './body.ts'
import { mountCalls, type Call, type HotCall } from './calls.ts'
import { clusterCalls } from './cluster.ts'
import { configCalls } from './config.ts'
import { keyCalls } from './consumer-keys.ts'
import { hmacCalls } from './consumer-hmac.ts'
import { passwordCalls } from './consumer-passwords.ts'
import type { ApiContext } from './context.ts'
import { collectionCalls, definitionCalls } from './definitions.ts'
import type { ApiRequest, ApiResponse } from './exchange.ts'
import { enrolmentCalls } from './enrolment.ts'
import { explainCalls } from './explain.ts'
import { gatewayCalls } from './gateways.ts'
import { healthCalls } from './health.ts'
import { historyCalls } from './history.ts'
import { HotCalls } from './hot-calls.ts'
import { HotRequest } from './hot-request.ts'
import { HotResponse } from './hot-response.ts'
import { asApiError, logFailure, problemOf, sendProblem } from './problem.ts'
import { snapshotCalls } from './snapshot.ts'
import { resealCalls } from './reseal.ts'
import { transactionCalls } from './transactions.ts'
import { countCalls } from './count-exchange.ts'
import { usageCalls } from './usage.ts'
import { watchCalls } from './watch.ts'

/** Calls that a node answers before it belongs to a cluster. */
const ALWAYS_ANSWERED = new Set(['/healthz', '/readyz', '/metrics', '/v1/cluster', '/v1/authority'])

/** Calls on single definitions, and writes of many: what clients of a busy cluster do all the time. */
function hotCalls(api: ApiContext): HotCall[] {
  return [...definitionCalls(api), ...transactionCalls(api)]
}

/** Every call of the API, in the order of how often they come. */
export function apiCalls(api: ApiContext): Call[] {
  return [
    ...hotCalls(api),
    ...collectionCalls(api),
    ...keyCalls(api),
    ...passwordCalls(api),
    ...hmacCalls(api),
    ...gatewayCalls(api),
    ...usageCalls(api),
    ...countCalls(api),
    ...watchCalls(api),
    ...configCalls(api),
    ...historyCalls(api),
    ...clusterCalls(api),
    ...explainCalls(api),
    ...enrolmentCalls(api),
    ...snapshotCalls(api),
    ...resealCalls(api),
    ...healthCalls(api),
  ]
}

/** The API as a request listener. */
export function createApp(api: ApiContext): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.enable('case sensitive routing')
  // Queries are read strictly, by the calls themselves.
  app.set('query parser', false)
  app.use(protection())
  app.use((request: Request, response: Response, next: NextFunction) => {
    beginCall(api, request, response)
    next()
  })
  mountCalls(app, api, apiCalls(api))
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    answerFailure(api, asApiError(error), { request, response })
  })
  return app
}

/** The same for the calls that need no web framework. */
export function createHotCalls(api: ApiContext): HotCalls {
  const fields = protectionFields()
  return new HotCalls(api, hotCalls(api), {
    begin(request, response) {
      for (const [name, value] of fields) response.setHeader(name, value)
      beginCall(api, request, response)
    },
    fail(error, request, response) {
      answerFailure(api, asApiError(error), { request, response })
    },
  })
}

/** What every answer says, and what refuses every call. */
function beginCall(api: ApiContext, request: ApiRequest, response: ApiResponse): void {
  response.setHeader('Raftway-Revision', api.plane.state.revision)
  response.setHeader('Cache-Control', 'no-store')
  assertServing(api, request)
}

/** The fields that `protection` sets, asked of itself. */
function protectionFields(): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.setHeader = (name: string, value: unknown) => {
    fields.set(name, String(value))
    return response
  }
  protection()(response.req, response, () => {})
  return fields
}

/** Nothing here is a page: no content may be run, framed or guessed from it. */
function protection(): ReturnType<typeof helmet> {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    // Whether there is TLS is decided in front of this server.
    strictTransportSecurity: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  })
}

function assertServing(api: ApiContext, request: ApiRequest): void {
  if (ALWAYS_ANSWERED.has(request.path) && request.method !== 'POST') return
  if (api.isClosed()) throw new RaftwayError('STOPPING', 'This node is stopping.')
  if (api.plane.identity === null) {
    throw new RaftwayError('NOT_FORMED', 'This node has not formed or joined a cluster yet.')
  }
}

function answerFailure(
  api: ApiContext,
  error: unknown,
  exchange: { readonly request: ApiRequest; readonly response: ApiResponse },
): void {
  const { request, response } = exchange
  logFailure(api.logger, `${request.method} ${request.path}`, error)
  if (
    isRaftwayError(error, 'BODY_TOO_LARGE') &&
    !(request instanceof HotRequest || response instanceof HotResponse) &&
    !request.complete &&
    !response.headersSent
  ) {
    const text = JSON.stringify(problemOf(error))
    response.statusCode = 413
    response.setHeader('Content-Type', 'application/problem+json; charset=utf-8')
    response.setHeader('Content-Length', Buffer.byteLength(text))
    lingerAfterRefusal(request, response, text)
    return
  }
  sendProblem(response, error)
}
