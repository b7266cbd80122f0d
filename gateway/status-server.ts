import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { STATUS_HEAD_BYTES_MAX } from '../shared/limits.ts'
import { http } from './node-http.ts'
import type { Address } from './options.ts'

/** What the status port tells. */
export type StatusSource = {
  /** A config of a known revision is served. */
  readonly isReady: () => boolean
  /** The document of `GET /status`. */
  readonly status: () => Promise<object>
  /** Prometheus text. */
  readonly metrics: () => Promise<string>
  /** The document of `GET /targets`: each target that lives in a worker, and how it is. */
  readonly targets: () => Promise<object>
}

/** The port for operators: health, readiness, metrics, status. Never the traffic port. */
export class StatusServer {
  readonly #server: Server
  readonly #source: StatusSource

  constructor(source: StatusSource) {
    this.#source = source
    this.#server = http.createServer(
      { maxHeaderSize: STATUS_HEAD_BYTES_MAX },
      (request, response) => {
        const path = (request.url ?? '').split('?', 1)[0]
        request.resume()
        if (request.method !== 'GET' && request.method !== 'HEAD') {
          const headers = { Allow: 'GET, HEAD' }
          send(response, 405, problem('METHOD_NOT_ALLOWED', 'only GET is served'), headers)
          return
        }
        // Answers its own failures.
        void this.#answer(path ?? '', response)
      },
    )
  }

  /** Resolves with the port; rejects when it cannot be taken. */
  listen(address: Address): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(address, () => {
        this.#server.off('error', reject)
        const bound = this.#server.address() as AddressInfo // A TCP server has a TCP address.
        resolve(bound.port)
      })
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    try {
      await this.#send(path, response)
    } catch {
      send(response, 500, problem('INTERNAL', 'something went wrong in the gateway'))
    }
  }

  async #send(path: string, response: ServerResponse): Promise<void> {
    switch (path) {
      case '/healthz':
        send(response, 200, '{"status":"ok"}\n')
        return
      case '/readyz':
        if (this.#source.isReady()) send(response, 200, '{"status":"ready"}\n')
        else send(response, 503, problem('NO_CONFIG', 'no config is applied'))
        return
      case '/status':
        send(response, 200, `${JSON.stringify(await this.#source.status())}\n`)
        return
      case '/metrics':
        send(response, 200, await this.#source.metrics(), {
          'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
        })
        return
      case '/targets':
        send(response, 200, `${JSON.stringify(await this.#source.targets())}\n`)
        return
      default:
        send(
          response,
          404,
          problem('NOT_FOUND', 'there is /healthz, /readyz, /metrics, /status, /targets'),
        )
    }
  }
}

function problem(code: string, message: string): string {
  return `${JSON.stringify({ error: { code, message } })}\n`
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...headers,
  })
  response.end(body)
}
