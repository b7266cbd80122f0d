import { apiContract } from '../../conformance/api.ts'
import { startCluster } from './start.ts'

apiContract('a cluster without consensus', async () => {
  const running = await startCluster(3)
  return { leader: running.url(0), follower: running.url(1), close: running.close }
})
