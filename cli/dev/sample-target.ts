import { createServer } from 'node:http'

/** Largest part of a request body that the answer repeats. */
const BODY_SHOWN_BYTES = 1_024

/**
 * A target that answers every request with what it was asked, as JSON: method, path, headers, and the beginning of
 * the body. Throws what the system says of a port that is taken.
 */
export async function startSampleTarget(port: number): Promise<{ stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    const shown: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      if (bytes < BODY_SHOWN_BYTES) shown.push(chunk.subarray(0, BODY_SHOWN_BYTES - bytes))
      bytes += chunk.length
    })
    request.on('end', () => {
      const { method, url, headers } = request
      const body =
        bytes === 0 ? {} : { body: Buffer.concat(shown).toString('utf8'), bodyBytes: bytes }
      const text = `${JSON.stringify({ target: `127.0.0.1:${port}`, method, path: url, headers, ...body }, null, 2)}\n`
      response.setHeader('content-type', 'application/json')
      response.end(text)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
