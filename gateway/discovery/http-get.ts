import type * as Https from 'node:https'
import { DISCOVERY_BYTES_MAX, HEAD_BYTES_MAX } from '../../shared/limits.ts'
import { http } from '../node-http.ts'

/** The body that a url answers GET with. Rejects unless it is whole, of status 200 and within DISCOVERY_BYTES_MAX. */
export function getText(url: string, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const https: typeof Https = process.getBuiltinModule('node:https')
  const { get } = url.startsWith('https:') ? https : http
  const headers = { Accept: 'application/json', 'User-Agent': 'raftway-discovery' }
  const options = { agent: false, headers, maxHeaderSize: HEAD_BYTES_MAX, signal }
  const request = get(url, options, (response) => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('error', reject)
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > DISCOVERY_BYTES_MAX) response.destroy(new Error('the answer is too large'))
      else chunks.push(chunk)
    })
    response.on('end', () => {
      if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString())
      else reject(new Error(`status ${response.statusCode ?? 0}`))
    })
  })
  request.on('error', reject)
  return promise
}
