// Goal: a gateway gets in over TLS with a token alone, keeps a certificate of its own alive, and loses its watch with it.
// Method: real nodes with TLS and tokens, and followers without workers.
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { ControlAccess } from '../../../gateway/config/control-access.ts'
import { ConfigFollower } from '../../../gateway/config/follower.ts'
import { Mirror } from '../../../gateway/config/mirror.ts'
import { parseToken } from '../../../shared/token-text.ts'
import { LineLogger } from '../../control-plane/tls/certificates.ts'
import {
  aToken,
  call,
  SecureNodes,
  until,
  type Answer,
  type SecureServer,
} from '../../control-plane/tls/secure-nodes.ts'

const nodes = new SecureNodes()
const followers: ConfigFollower[] = []
afterEach(async () => {
  for (const follower of followers.splice(0)) follower.stop()
  await nodes.closeAll()
})

type Cluster = { readonly node: SecureServer; readonly admin: string; readonly fingerprint: string }

/** A node that wants a token for every call. */
async function aCluster(certLifetimeMs?: number): Promise<Cluster> {
  let admin = ''
  const node = await nodes.start('n1', {
    auth: 'on',
    announceToken: (token) => {
      admin = token
    },
    ...(certLifetimeMs === undefined ? {} : { certLifetimeMs }),
  })
  await node.server.formed
  const { fingerprint } = node.server
  await until('there is an admin', async () => {
    if (admin === '') return false
    return (await write({ node, admin, fingerprint: '' }, '/v1/config', 'GET')).status === 200
  })
  return { node, admin, fingerprint: fingerprint ?? '' }
}

async function write(
  { node, admin }: Cluster,
  path: string,
  method: string,
  spec?: unknown,
): Promise<Answer> {
  const ca = await readFile(join(node.dataDir, 'tls/authority.crt'), 'utf8')
  const body = spec === undefined ? {} : { body: { spec } }
  return call(`${node.server.apiUrl}${path}`, { ca, method, token: admin, ...body })
}

async function aGatewayToken(cluster: Cluster, letter: 't' | 'j'): Promise<string> {
  const token = aToken(letter, { role: 'gateway' }, cluster.fingerprint)
  expect((await write(cluster, `/v1/tokens/${token.name}`, 'PUT', token.spec)).status).toBe(201)
  return token.text
}

type Gateway = {
  readonly follower: ConfigFollower
  readonly log: LineLogger
  readonly dataDir: string
  /** How often a watch opened. */
  opened: number
  ended: number
}

async function aGateway(
  { node }: Cluster,
  given: { readonly token: string | null; readonly ca?: string; readonly dataDir?: string },
): Promise<Gateway> {
  const log = new LineLogger()
  const dataDir = given.dataDir ?? (await nodes.directory())
  const { token, ca = null } = given
  const access = new ControlAccess({ name: 'gw1', dataDir, token, ca, logger: log })
  const options = {
    name: 'gw1',
    controlUrls: [node.server.apiUrl],
    access,
    labels: {},
    logger: log,
  }
  const follower: ConfigFollower = new ConfigFollower(options, new Mirror(), {
    onDelta: ({ revision, hash }) =>
      follower.report({ revision, hash, version: '0', workers: 1, routes: 0, quarantined: [] }),
    onConnection: ({ isConnected }) => {
      if (isConnected) gateway.opened++
      else gateway.ended++
    },
  })
  const gateway: Gateway = { follower, log, dataDir, opened: 0, ended: 0 }
  followers.push(follower)
  follower.start()
  return gateway
}

const isWatching = ({ follower }: Gateway) => follower.status.isConnected

describe('with a token to enrol', () => {
  test('it gets a certificate, watches and reports with it, and keeps it for the next start', async () => {
    const cluster = await aCluster()
    const token = await aGatewayToken(cluster, 'j')
    const gateway = await aGateway(cluster, { token })
    await until('it watches', () => isWatching(gateway))
    await until('its report arrived', async () => {
      const { body } = await write(cluster, '/v1/gateways', 'GET')
      return (body['items'] as { name: string; revision: number | null }[]).some(
        ({ name, revision }) => name === 'gw1' && revision !== null,
      )
    })
    const file = join(gateway.dataDir, 'gateway.pem')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const kept = await readFile(file, 'utf8')
    gateway.follower.stop()
    const again = await aGateway(cluster, { token, dataDir: gateway.dataDir })
    await until('it watches again', () => isWatching(again))
    expect(await readFile(file, 'utf8')).toBe(kept)
    for (const { log } of [gateway, again, cluster.node]) {
      expect(log.lines.join('\n')).not.toContain(parseToken(token)?.secret)
      expect(log.lines.join('\n')).not.toContain('PRIVATE KEY')
    }
  })

  test('it renews by itself, even after the token ended, and goes on past the end of the first', async () => {
    const cluster = await aCluster(4_000)
    const token = await aGatewayToken(cluster, 'j')
    const gateway = await aGateway(cluster, { token })
    await until('it watches', () => isWatching(gateway))
    const spec = { token: parseToken(token)?.name ?? '' }
    expect((await write(cluster, '/v1/revocations/t', 'PUT', spec)).status).toBe(201)
    const count = () =>
      gateway.log.lines.filter((line) => line.includes('has a new certificate')).length
    await until('the third certificate', () => count() >= 3, 20_000)
    await until('it watches', () => isWatching(gateway))
    expect(gateway.log.has('issues no certificate')).toBe(false)
  })

  test('revoked, it loses its watch at once, gets no other certificate, and is told why', async () => {
    const cluster = await aCluster()
    const gateway = await aGateway(cluster, { token: await aGatewayToken(cluster, 'j') })
    await until('it watches', () => isWatching(gateway))
    const spec = { gateway: 'gw1', reason: 'stolen' }
    expect((await write(cluster, '/v1/revocations/gw1', 'PUT', spec)).status).toBe(201)
    await until('its watch has ended', () => gateway.ended > 0, 2_000)
    await until('it hears why', () => gateway.log.has('its certificate is revoked: stolen'))
    expect(gateway.opened).toBe(1)
    // Forgiven, it comes back by itself.
    expect((await write(cluster, '/v1/revocations/gw1', 'DELETE')).status).toBe(200)
    await until('it watches again', () => gateway.opened === 2)
  })
})

describe('without a certificate', () => {
  test('a bearer token is pinned to its cluster, and goes with every call', async () => {
    const cluster = await aCluster()
    const gateway = await aGateway(cluster, { token: await aGatewayToken(cluster, 't') })
    await until('it watches', () => isWatching(gateway))
    expect(gateway.log.has('has a new certificate')).toBe(false)
  })

  test('a node of another cluster is told nothing', async () => {
    const cluster = await aCluster()
    const { text } = aToken('t', {}, '0'.repeat(40))
    const gateway = await aGateway(cluster, { token: text })
    await until('it says why', () => gateway.log.has('it was told nothing'))
    expect(gateway.opened).toBe(0)
    expect(cluster.node.log.lines.join('\n')).not.toContain(parseToken(text)?.secret)
  })

  test('without a token it is refused, whomever it believes', async () => {
    const cluster = await aCluster()
    const ca = await readFile(join(cluster.node.dataDir, 'tls/authority.crt'), 'utf8')
    const gateway = await aGateway(cluster, { token: null, ca })
    await until('it is refused', () => gateway.log.has('UNAUTHENTICATED'))
    expect(gateway.opened).toBe(0)
  })
})
