import { createServer, type AddressInfo } from 'node:net'

/** Whether this process could listen on the port of a loopback or any-address host right now. */
export async function isPortFree(host: string, port: number): Promise<boolean> {
  const probe = createServer()
  try {
    await listen(probe, host, port)
    return true
  } catch {
    return false
  } finally {
    await close(probe)
  }
}

/** Ports that nobody listens on, all different. Somebody else may still take one before it is used. */
export async function findFreePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer())
  try {
    await Promise.all(probes.map((probe) => listen(probe, '127.0.0.1', 0)))
    // A listening TCP server has an address with a port.
    return probes.map((probe) => (probe.address() as AddressInfo).port)
  } finally {
    await Promise.all(probes.map(close))
  }
}

function listen(
  server: ReturnType<typeof createServer>,
  host: string,
  port: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, resolve)
  })
}

function close(server: ReturnType<typeof createServer>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}
