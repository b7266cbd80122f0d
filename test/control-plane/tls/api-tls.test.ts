// Goal: the API over TLS is what clients expect of https, and whoever shows a bad certificate is told so.
import { execFile, spawnSync } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { anAuthority, aPair } from './certificates.ts'
import { call, SecureNodes, until, type SecureServer } from './secure-nodes.ts'

const run = promisify(execFile)
const hasCurl = spawnSync('curl', ['--version']).status === 0
const nodes = new SecureNodes()
afterEach(() => nodes.closeAll())

const authorityFile = ({ dataDir }: SecureServer): string => join(dataDir, 'tls/authority.crt')

async function ready(node: SecureServer): Promise<SecureServer> {
  await node.server.formed
  const ca = await readFile(authorityFile(node), 'utf8')
  await until('it is ready', async () => {
    return (await call(`${node.server.apiUrl}/readyz`, { ca })).status === 200
  })
  return node
}

/** The serial number that the API shows to whoever asks for this name. */
function shown(url: string, servername?: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const name = servername === undefined ? {} : { servername }
    const options = { host: hostname, port: Number(port), rejectUnauthorized: false, ...name }
    const socket = connect(options, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber.toLowerCase() ?? '')
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

describe('with a certificate of the cluster authority', () => {
  test.skipIf(!hasCurl)('curl believes it with --cacert, and not without', async () => {
    const node = await ready(await nodes.start('n1'))
    const url = `${node.server.apiUrl}/v1/cluster`
    const { stdout } = await run('curl', ['-sS', '--cacert', authorityFile(node), url])
    expect(JSON.parse(stdout)).toMatchObject({ node: 'n1' })
    await expect(run('curl', ['-sS', url])).rejects.toMatchObject({ code: 60 })
    const local = url.replace('127.0.0.1', 'localhost')
    const again = await run('curl', ['-sS', '--cacert', authorityFile(node), local])
    expect(JSON.parse(again.stdout)).toMatchObject({ node: 'n1' })
  })

  test('tells everybody whom to believe, and nothing else', async () => {
    const node = await ready(await nodes.start('n1', { auth: 'on' }))
    const ca = await readFile(authorityFile(node), 'utf8')
    const { apiUrl, fingerprint } = node.server
    expect(await call(`${apiUrl}/v1/authority`, { ca })).toEqual({
      status: 200,
      body: { certificate: ca, fingerprint },
    })
    expect(await call(`${apiUrl}/v1/config`, { ca })).toMatchObject({ status: 401 })
  })

  test('is renewed while it runs, and every new connection sees the newest', async () => {
    const node = await ready(await nodes.start('n1', { certLifetimeMs: 3_000 }))
    const serials = new Set<string>()
    await until('three certificates', async () => {
      serials.add(await shown(node.server.apiUrl))
      return serials.size >= 3
    })
    const ca = await readFile(authorityFile(node), 'utf8')
    expect(await call(`${node.server.apiUrl}/readyz`, { ca })).toMatchObject({ status: 200 })
  })
})

describe('a client with a certificate', () => {
  const cases = [
    { what: 'of another authority', wanted: {}, isForged: true, text: 'not from this cluster’s' },
    { what: 'that expired', wanted: { validToMs: Date.now() - 1_000 }, text: 'expired' },
  ]
  test.each(cases)('$what is refused in words', async ({ wanted, isForged = false, text }) => {
    const node = await ready(await nodes.start('n1', { auth: 'on' }))
    const ca = await readFile(authorityFile(node), 'utf8')
    const seed = Buffer.from(
      await readFile(join(node.dataDir, 'tls/authority.seed'), 'utf8'),
      'base64url',
    )
    const by = await (isForged ? anAuthority() : anAuthority(seed))
    const pair = await aPair(by, { role: 'gateway', name: 'gw', ...wanted })
    const { status, body } = await call(`${node.server.apiUrl}/v1/watch`, { ca, pair })
    expect({ status, code: body['code'] }).toEqual({ status: 401, code: 'UNAUTHENTICATED' })
    expect(body['detail']).toContain(text)
  })

  test('of a gateway may do what a gateway may, and no more', async () => {
    const node = await ready(await nodes.start('n1', { auth: 'on' }))
    const ca = await readFile(authorityFile(node), 'utf8')
    const seed = await readFile(join(node.dataDir, 'tls/authority.seed'), 'utf8')
    const authority = await anAuthority(Buffer.from(seed, 'base64url'))
    const pair = await aPair(authority, { role: 'gateway', name: 'gw' })
    const { apiUrl } = node.server
    expect(await call(`${apiUrl}/v1/cluster`, { ca, pair })).toMatchObject({ status: 200 })
    const body = { spec: { targets: [{ url: 'http://127.0.0.1:9' }] } }
    const refused = await call(`${apiUrl}/v1/upstreams/u`, { ca, pair, method: 'PUT', body })
    expect(refused).toMatchObject({ status: 403 })
  })
})

describe('with files of its own', () => {
  test('they are shown to clients, read again when they change, and not to other nodes', async () => {
    const dir = await nodes.directory()
    const [apiCert, apiKey] = [join(dir, 'api.crt'), join(dir, 'api.key')]
    const other = await anAuthority()
    const put = async (name: string): Promise<string> => {
      const { key, cert } = await aPair(other, { name, hosts: ['127.0.0.1'] })
      await writeFile(apiCert, cert)
      await writeFile(apiKey, key)
      return cert
    }
    await put('one')
    const node = await nodes.start('n1', { apiCert, apiKey })
    await node.server.formed
    const ca = other.certificate.toString()
    await until('it is ready', async () => {
      return (await call(`${node.server.apiUrl}/readyz`, { ca })).status === 200
    })
    const first = await shown(node.server.apiUrl)
    await put('two')
    await node.server.reload()
    const second = await shown(node.server.apiUrl)
    expect(second).not.toBe(first)
    expect(await shown(node.server.apiUrl, 'node.raftway.internal')).not.toBe(second)
    // A key that does not fit is not taken.
    await copyFile(apiCert, join(dir, 'kept.crt'))
    await writeFile(apiKey, (await aPair(other)).key)
    await node.server.reload()
    expect(await shown(node.server.apiUrl)).toBe(second)
    expect(node.log.has('the certificate of the API stays as it was')).toBe(true)
    await put('three')
    await until('it looks by itself', async () => (await shown(node.server.apiUrl)) !== second)
  })

  test('that cannot be used it does not start', async () => {
    const dir = await nodes.directory()
    const start = nodes.start('n1', { apiCert: join(dir, 'no.crt'), apiKey: join(dir, 'no.key') })
    await expect(start).rejects.toThrow('--api-cert and --api-key cannot be used')
  })
})
