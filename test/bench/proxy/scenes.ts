// What the proxy bench looks at, one scene after another.
import type { Load } from './loads.ts'
import { pathOfRoute } from './peers.ts'

/** One load, and how many routes the servers have. */
export type Scene = Load & { readonly name: string; readonly routes: number }

const POSTED = 'x'.repeat(4_096)
/** Different routes that are asked for in turn. */
const ROUTES_ASKED_MAX = 1_000

const REQUESTS = [
  { what: 'GET 100 B', path: '/100', body: '' },
  { what: 'GET 64 KiB', path: '/64k', body: '' },
  { what: 'POST 4 KiB', path: '/post', body: POSTED },
] as const

/** Servers are started anew where the number of routes changes. */
export const SCENES: readonly Scene[] = [
  ...REQUESTS.flatMap(({ what, path, body }) =>
    [1, 64, 512].map((connections) =>
      scene(`${what}, ${connections}`, connections, path, { body }),
    ),
  ),
  scene('TLS, GET 100 B, 64', 64, '/100', { protocol: 'https' }),
  scene('TLS, GET 64 KiB, 64', 64, '/64k', { protocol: 'https' }),
  scene('TLS, a handshake each, 64', 64, '/100', { protocol: 'https', isFresh: true }),
  scene('HTTP/2, GET 100 B, 1', 1, '/100', { protocol: 'h2' }),
  scene('HTTP/2, GET 100 B, 64', 64, '/100', { protocol: 'h2' }),
  scene('HTTP/2, POST 4 KiB, 64', 64, '/post', { protocol: 'h2', body: POSTED }),
  withRoutes(1_000),
  withRoutes(100_000),
]

function scene(name: string, connections: number, path: string, more: Partial<Load> = {}): Scene {
  const plain = { protocol: 'http', body: '', isFresh: false } as const
  return { ...plain, name, connections, paths: [path], routes: 1, ...more }
}

/** Routes from all over the table. */
function withRoutes(routes: number): Scene {
  const count = Math.min(routes, ROUTES_ASKED_MAX)
  const paths = Array.from({ length: count }, (_, at) =>
    pathOfRoute(Math.floor((at * routes) / count), routes),
  )
  const one = scene(`${routes.toLocaleString('en')} routes, GET 100 B, 64`, 64, '/')
  return { ...one, paths, routes }
}
