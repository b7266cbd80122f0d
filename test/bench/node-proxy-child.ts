// The usual way to write a proxy in Node, for the proxy bench: node:http and node:https in front, undici's pool behind.
// Arguments: the ports to listen on, without and with TLS, and the url of the target. The pair lies in cert.pem and key.pem.
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { Pool } from 'undici'

const [port = '0', tlsPort = '0', url = ''] = process.argv.slice(2)
const pool = new Pool(url, { connections: 256, pipelining: 1 })

function pass(request: IncomingMessage, response: ServerResponse): void {
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
}

createServer(pass).listen(Number(port), '127.0.0.1')
const pair = { cert: readFileSync('cert.pem'), key: readFileSync('key.pem') }
createSecureServer(pair, pass).listen(Number(tlsPort), '127.0.0.1')
