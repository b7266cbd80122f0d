// Whole nodes in this process: consensus over TCP, disks, and the HTTP API. Restarted under the same addresses.
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { startServer, type Server, type ServerOptions } from '../../control-plane/main.ts'
import { SILENT } from '../../shared/logger.ts'
import { call, until } from '../conformance/api-client.ts'

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** A directory that goes with the test. */
export async function testDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-servers-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export type Place = {
  readonly name: string
  readonly dataDir: string
  readonly api: number
  readonly peer: number
}

/** Addresses and a data directory for a node of this name. */
export async function placeFor(dir: string, name: string): Promise<Place> {
  return { name, dataDir: join(dir, name), api: await freePort(), peer: await freePort() }
}

/** Starts a node; it is stopped with the test, unless the test stops it. */
export async function startAt(place: Place, more: Partial<ServerOptions> = {}): Promise<Server> {
  const server = await startServer({
    name: place.name,
    dataDir: place.dataDir,
    api: { host: '127.0.0.1', port: place.api },
    peer: { host: '127.0.0.1', port: place.peer },
    join: [],
    expect: null,
    advertiseApi: null,
    advertisePeer: null,
    // A loaded machine must not depose the leader in the middle of a test.
    electionMs: 1_000,
    logger: SILENT,
    ...more,
  })
  onTestFinished(() => server.stop())
  return server
}

export type Started = { readonly places: Place[]; readonly servers: Server[] }

/** `count` nodes that found one cluster, in `dir`. */
export async function found(
  dir: string,
  count: number,
  more: Partial<ServerOptions> = {},
): Promise<Started> {
  const names = Array.from({ length: count }, (_, at) => `n${at + 1}`)
  const places = await Promise.all(names.map((name) => placeFor(dir, name)))
  const join = places.map(({ peer }) => `127.0.0.1:${peer}`)
  const options = count === 1 ? more : { join, expect: count, ...more }
  const servers = await Promise.all(places.map((place) => startAt(place, options)))
  await Promise.all(servers.map((server) => ready(server)))
  return { places, servers }
}

/** Waits until a node knows a leader and has caught up. */
export async function ready(server: Pick<Server, 'apiUrl'>): Promise<void> {
  await until(async () => (await call(server.apiUrl, 'GET /readyz')).status === 200, 20_000)
}

/** Puts one upstream with a recognisable target; gives the answer. */
export function putUpstream(url: string, name: string, port: number): ReturnType<typeof call> {
  return call(url, `PUT /v1/upstreams/${name}`, {
    json: { spec: { targets: [{ url: `http://127.0.0.1:${port}` }] } },
  })
}

/** Every definition by name, as a linearizable read has it. */
export async function configOf(
  url: string,
): Promise<{ readonly revision: number; readonly hash: string; readonly names: string[] }> {
  const { body, status } = await call(url, 'GET /v1/config')
  if (status !== 200) throw new Error(`GET /v1/config: ${status} ${JSON.stringify(body)}`)
  const names = body.definitions.map(({ name }: { name: string }) => name)
  return { revision: body.revision, hash: body.hash, names }
}
