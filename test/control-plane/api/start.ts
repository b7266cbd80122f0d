import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import { startApi, type ApiOptions, type ApiServer } from '../../../control-plane/api/server.ts'
import { SILENT } from '../../../shared/logger.ts'
import { LoneCluster, type LoneNode } from './lone-cluster.ts'

/** A cluster without consensus and the real APIs of its nodes. */
export type Running = {
  readonly cluster: LoneCluster
  readonly servers: readonly ApiServer[]
  readonly url: (at: number) => string
  readonly node: (at: number) => LoneNode
  readonly close: () => Promise<void>
}

/** Starts `count` nodes on free ports; the first leads. */
export async function startCluster(
  count: number,
  options: Partial<ApiOptions> = {},
): Promise<Running> {
  const cluster = new LoneCluster(count)
  const servers: ApiServer[] = []
  for (const node of cluster.nodes) {
    const server = await startApi({
      host: '127.0.0.1',
      port: 0,
      plane: node,
      clock: SYSTEM_CLOCK,
      logger: SILENT,
      version: '0.0.0',
      ...options,
    })
    node.self.api = server.url
    servers.push(server)
  }
  return {
    cluster,
    servers,
    node: (at) => cluster.node(at),
    url(at) {
      const server = servers[at]
      if (server === undefined) throw new RangeError(`there is no node ${at}`)
      return server.url
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()))
    },
  }
}
