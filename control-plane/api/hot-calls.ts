import { callName, guarded, measured, type HotCall, type HotEntry, type Method } from './calls.ts'
import type { ApiContext } from './context.ts'
import type { HotRequest } from './hot-request.ts'
import type { HotResponse } from './hot-response.ts'

/** What happens around every call, whoever reads it. */
export type CallFrame = {
  /** Sets the fields that every answer has. Throws what refuses every call now. */
  begin(request: HotRequest, response: HotResponse): void
  fail(error: unknown, request: HotRequest, response: HotResponse): void
}

type HotHandler = (request: HotRequest, response: HotResponse) => void | Promise<void>
type Methods = ReadonlyMap<string, HotHandler>

/** Finds the handler of a hot call by its path: exact, or everything but the last segment. */
export class HotCalls {
  readonly #frame: CallFrame
  /** By path; those with a name at their end by what stands before it, with its slash. */
  readonly #byPath = new Map<string, Methods>()

  constructor(api: ApiContext, calls: readonly HotCall[], frame: CallFrame) {
    this.#frame = frame
    for (const call of calls) {
      const handlers = new Map<string, HotHandler>()
      for (const [method, entry] of Object.entries(call.methods) as [Method, HotEntry][]) {
        const name = callName(method, call)
        const handler = guarded<HotRequest, HotResponse>(api, name, entry)
        handlers.set(method.toUpperCase(), measured(api, name, handler))
      }
      this.#byPath.set(call.path.replace('{name}', ''), handlers)
    }
  }

  takes(request: HotRequest): boolean {
    return this.#find(request) !== undefined
  }

  /** Carries the call out; its answer comes through `response`, a refusal too. */
  serve(request: HotRequest, response: HotResponse): void {
    const handler = this.#find(request)
    const { path } = request
    request.params = { name: path.slice(path.lastIndexOf('/') + 1) }
    try {
      this.#frame.begin(request, response)
      const done = handler?.(request, response)
      // A failure is answered, and that does not fail.
      done?.catch((error: unknown) => this.#frame.fail(error, request, response))
    } catch (error) {
      this.#frame.fail(error, request, response)
    }
  }

  #find({ method, path }: HotRequest): HotHandler | undefined {
    const nameAt = path.lastIndexOf('/') + 1
    if (nameAt === path.length) return undefined
    const methods = this.#byPath.get(path) ?? this.#byPath.get(path.slice(0, nameAt))
    return methods?.get(method)
  }
}
