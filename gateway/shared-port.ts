import { createServer } from 'node:net'
import { RaftwayError } from '../shared/errors.ts'
import type { Address } from './options.ts'

/** Whether several threads can listen on one port here: Linux and some BSDs can, macOS and Windows cannot. */
export async function canSharePorts(host: string): Promise<boolean> {
  return tryListen({ host, port: 0, reusePort: true }).then(
    () => true,
    () => false,
  )
}

/**
 * Throws what the system says when another process has the port. Workers could not tell: a shared port may be shared
 * with anybody of the same user, such as a second gateway with the same options.
 */
export async function checkPortIsFree(address: Address): Promise<void> {
  try {
    await tryListen({ ...address, reusePort: false })
  } catch (error) {
    const { host, port } = address
    throw new RaftwayError('INTERNAL', `cannot listen on ${host}:${port}`, { cause: error })
  }
}

async function tryListen(options: {
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
}): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const server = createServer()
  server.once('error', reject)
  server.listen(options, () => server.close(() => resolve()))
  await promise
}
