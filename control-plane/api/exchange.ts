import type { Request, Response } from 'express'
import type { IncomingHttpHeaders } from 'node:http'
import type { HotRequest, RemoteSocket } from './hot-request.ts'
import type { HotResponse } from './hot-response.ts'

/** A request, whoever has read it: what the calls may use of it. */
export type ApiRequest = Request | HotRequest

/** Where its answer goes. */
export type ApiResponse = Response | HotResponse

/** What tells who calls, and for what. */
export type RequestHead = {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly socket: RemoteSocket
}
