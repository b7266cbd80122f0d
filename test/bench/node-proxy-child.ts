// The usual way to write a proxy in Node, for the proxy bench: node:http in front, undici's pool behind. Arguments: the port
// to listen on, and the url of the target.
import { createServer } from 'node:http'
import { Pool } from 'undici'

const [port = '0', url = ''] = process.argv.slice(2)
const pool = new Pool(url, { connections: 256, pipelining: 1 })

createServer((request, response) => {
  const { connection: _, host: __, 'transfer-encoding': ___, ...headers } = request.headers
  const hasBody = request.method === 'POST'
  pool.stream(
    {
      path: request.url ?? '/',
      method: request.method ?? 'GET',
      headers,
      body: hasBody ? request : null,
    },
    ({ statusCode, headers: answered }) => {
      const { connection: ____, 'keep-alive': _____, ...passing } = answered
      response.writeHead(statusCode, passing)
      return response
    },
    (error) => {
      if (error !== null) response.destroy()
    },
  )
}).listen(Number(port), '127.0.0.1')
