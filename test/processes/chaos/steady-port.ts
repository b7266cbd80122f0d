import { once } from 'node:events'
import { createServer } from 'node:net'
import { randomInt } from 'node:crypto'

/** Below what the system hands out for outgoing connections, on every usual setting. */
const PORTS = { from: 20_000, to: 32_000 }
const ATTEMPTS_MAX = 200

/**
 * A free port that a node can come back to. What the system picks for port 0 may be taken for the near end of somebody's
 * connection as soon as the node is down, and these tests keep nodes down.
 */
export async function steadyPort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = randomInt(PORTS.from, PORTS.to)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error(`no free port from ${PORTS.from} to ${PORTS.to}`)
}
