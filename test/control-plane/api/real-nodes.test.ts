import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer, type Server } from '../../../control-plane/main.ts'
import { SILENT } from '../../../shared/logger.ts'
import { apiContract } from '../../conformance/api.ts'
import { call, until } from '../../conformance/api-client.ts'

// Three whole nodes in this process: consensus over TCP, disks, and the HTTP API.

const ANY_PORT = { host: '127.0.0.1', port: 0 }

async function startNode(dir: string, name: string, peers: readonly string[]): Promise<Server> {
  const server = await startServer({
    name,
    dataDir: join(dir, name),
    api: ANY_PORT,
    peer: ANY_PORT,
    join: [...peers],
    expect: null,
    advertiseApi: null,
    advertisePeer: null,
    // A loaded machine must not depose the leader in the middle of a test.
    electionMs: 1_000,
    logger: SILENT,
  })
  await server.formed
  return server
}

apiContract('three nodes', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-api-'))
  const first = await startNode(dir, 'n1', [])
  const second = await startNode(dir, 'n2', [first.peer])
  const third = await startNode(dir, 'n3', [first.peer])
  await until(async () => {
    const { body } = await call(first.apiUrl, 'GET /v1/cluster')
    const voters = body.members.filter(({ role }: { role: string }) => role === 'voter')
    return voters.length === 3
  }, 20_000)
  await until(async () => (await call(second.apiUrl, 'GET /readyz')).status === 200, 20_000)
  return {
    leader: first.apiUrl,
    follower: second.apiUrl,
    async close() {
      await Promise.all([first, second, third].map((server) => server.stop()))
      await rm(dir, { recursive: true })
    },
  }
})
