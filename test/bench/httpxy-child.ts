// A proxy library of Node, for the proxy bench: httpxy with node:http and node:https in front. Arguments: the ports to listen
// on, without and with TLS, and the url of the target. The pair lies in cert.pem and key.pem.
import { readFileSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createProxyServer } from 'httpxy'

const [port = '0', tlsPort = '0', url = ''] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: 256 })
const proxy = createProxyServer({ target: url, agent, xfwd: true })

function pass(request: IncomingMessage, response: ServerResponse): void {
  proxy.web(request, response).catch(() => response.destroy())
}

createServer(pass).listen(Number(port), '127.0.0.1')
const pair = { cert: readFileSync('cert.pem'), key: readFileSync('key.pem') }
createSecureServer(pair, pass).listen(Number(tlsPort), '127.0.0.1')
