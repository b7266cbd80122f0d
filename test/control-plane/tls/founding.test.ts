// Goal: a cluster speaks mutual TLS from its first byte; who has a token gets in, once, and nobody else does.
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { makeFoundingToken } from '../../../control-plane/founding-token.ts'
import { parseToken } from '../../../shared/token-text.ts'
import { freePorts } from './free-ports.ts'
import { aToken, call, SecureNodes, until, type SecureServer } from './secure-nodes.ts'

const nodes = new SecureNodes()
afterEach(() => nodes.closeAll())

const authorityOf = ({ dataDir }: SecureServer): Promise<string> =>
  readFile(join(dataDir, 'tls/authority.crt'), 'utf8')

async function put(
  node: SecureServer,
  path: string,
  spec: unknown,
): Promise<Awaited<ReturnType<typeof call>>> {
  const ca = await authorityOf(node)
  const answer = await call(`${node.server.apiUrl}${path}`, { ca, method: 'PUT', body: { spec } })
  if (answer.status !== 201) throw new Error(JSON.stringify(answer))
  return answer
}

async function members(node: SecureServer): Promise<readonly { name: string; role: string }[]> {
  const { body } = await call(`${node.server.apiUrl}/v1/cluster`, { ca: await authorityOf(node) })
  return body['members'] as { name: string; role: string }[]
}

/** A cluster of one, and what a token of it must carry. */
async function lone(): Promise<{ node: SecureServer; fingerprint: string }> {
  const node = await nodes.start('n1')
  await node.server.formed
  await until('n1 leads', async () => (await members(node)).length === 1)
  const { fingerprint } = node.server
  if (fingerprint === null) throw new Error('a node with TLS has an authority')
  return { node, fingerprint }
}

describe('founding', () => {
  test('three boxes with one founding token form over TLS, and write through any of them', async () => {
    const joinToken = await makeFoundingToken()
    const peers = await freePorts(3)
    const three = await Promise.all(
      peers.map((port, i) =>
        nodes.start(`n${i + 1}`, {
          joinToken,
          tls: null,
          peer: { host: '127.0.0.1', port },
          join: peers.map((each) => `127.0.0.1:${each}`),
          expect: 3,
        }),
      ),
    )
    await Promise.all(three.map(({ server }) => server.formed))
    const fingerprints = three.map(({ server }) => server.fingerprint)
    expect(new Set(fingerprints)).toEqual(new Set([parseToken(joinToken)?.fingerprint]))
    for (const [i, node] of three.entries()) {
      expect(node.server.apiUrl).toMatch(/^https:/)
      const upstream = { targets: [{ url: 'http://127.0.0.1:9' }] }
      await put(node, `/v1/upstreams/u${i}`, upstream)
    }
    // Each certificate names the cluster now, and the token is in no file and no line.
    const secret = parseToken(joinToken)?.secret ?? ''
    for (const { log, dataDir } of three) {
      await until('the certificate is made anew', () => log.has('this node has a new certificate'))
      expect(log.lines.join('\n')).not.toContain(secret)
      expect((await stat(join(dataDir, 'tls/authority.seed'))).mode & 0o777).toBe(0o600)
    }
  })

  test('a box with another founding token is refused', async () => {
    const { node } = await lone()
    const other = await nodes.start('n2', {
      joinToken: await makeFoundingToken(),
      join: [node.server.peer],
    })
    await until('n1 says why', () => node.log.has('not from this cluster’s authority'))
    await until('n2 says why', () => other.log.has('not from this cluster’s authority'))
    expect(await members(node)).toHaveLength(1)
  })
})

describe('joining with a token', () => {
  test('a fresh box gets a certificate, joins, is promoted, and is given the authority', async () => {
    const { node, fingerprint } = await lone()
    const token = aToken('j', { role: 'node' }, fingerprint)
    await put(node, `/v1/tokens/${token.name}`, token.spec)
    const second = await nodes.start('n2', { joinToken: token.text, join: [node.server.peer] })
    await second.server.formed
    await until('n2 votes', async () =>
      (await members(node)).some(({ name, role }) => name === 'n2' && role === 'voter'),
    )
    await until('n2 has the authority', () => second.log.has('was given the cluster authority'))
    expect(await authorityOf(second)).toBe(await authorityOf(node))
    await put(second, '/v1/upstreams/u', { targets: [{ url: 'http://127.0.0.1:9' }] })
    for (const { log } of [node, second]) {
      expect(log.lines.join('\n')).not.toContain(parseToken(token.text)?.secret)
      expect(log.lines.join('\n')).not.toContain('PRIVATE KEY')
    }
    // It comes back without its token, and without a word of TLS.
    await nodes.stop(second)
    const again = await nodes.start('n2', {
      dataDir: second.dataDir,
      tls: null,
      peer: { host: '127.0.0.1', port: Number(second.server.peer.split(':')[1]) },
    })
    await again.server.formed
    await until('it is ready', async () => {
      const ca = await authorityOf(again)
      return (await call(`${again.server.apiUrl}/readyz`, { ca })).status === 200
    })
  })

  test('a token of a node lets one box in; a replay with another key is refused', async () => {
    const { node, fingerprint } = await lone()
    const token = aToken('j', { role: 'node' }, fingerprint)
    await put(node, `/v1/tokens/${token.name}`, token.spec)
    const second = await nodes.start('n2', { joinToken: token.text, join: [node.server.peer] })
    await second.server.formed
    const replay = nodes.start('n3', { joinToken: token.text, join: [node.server.peer] })
    await expect(replay).rejects.toMatchObject({ code: 'TOKEN_USED_UP' })
    expect((await members(node)).map(({ name }) => name).toSorted()).toEqual(['n1', 'n2'])
  })

  const refusals = [
    { what: 'no such token', spec: null, text: 'unknown' },
    { what: 'a token of another role', spec: { role: 'viewer' }, text: 'enrols no node' },
    {
      what: 'an expired token',
      spec: { role: 'node', expiresAt: '2020-01-01T00:00:00Z' },
      text: 'expired',
    },
  ]
  test.each(refusals)(
    '$what is refused, and the box ends with the reason',
    async ({ spec, text }) => {
      const { node, fingerprint } = await lone()
      const token = aToken('j', spec ?? { role: 'node' }, fingerprint)
      if (spec !== null) await put(node, `/v1/tokens/${token.name}`, token.spec)
      const refused = nodes.start('n2', { joinToken: token.text, join: [node.server.peer] })
      await expect(refused).rejects.toThrow(text)
      expect(await members(node)).toHaveLength(1)
    },
  )

  test('a revoked token is refused', async () => {
    const { node, fingerprint } = await lone()
    const token = aToken('j', { role: 'node' }, fingerprint)
    await put(node, `/v1/tokens/${token.name}`, token.spec)
    await put(node, '/v1/revocations/r', { token: token.name, reason: 'lost' })
    const refused = nodes.start('n2', { joinToken: token.text, join: [node.server.peer] })
    await expect(refused).rejects.toThrow('revoked')
  })

  test('a token of another cluster is shown to nobody', async () => {
    const { node } = await lone()
    const token = aToken('j', { role: 'node' }, '0'.repeat(40))
    const secret = parseToken(token.text)?.secret ?? ''
    const refused = nodes.start('n2', { joinToken: token.text, join: [node.server.peer] })
    await expect(refused).rejects.toMatchObject({ code: 'PEER_REFUSED' })
    expect(node.log.lines.join('\n')).not.toContain(secret)
  })

  test('a name that a member has is not given again', async () => {
    const { node, fingerprint } = await lone()
    const token = aToken('j', { role: 'node', maxUses: 5 }, fingerprint)
    await put(node, `/v1/tokens/${token.name}`, token.spec)
    const refused = nodes.start('n1', { joinToken: token.text, join: [node.server.peer] })
    await expect(refused).rejects.toMatchObject({ code: 'MEMBER_EXISTS' })
  })
})

describe('a node that cannot get in', () => {
  test('says the ways in: no token for a join over TLS', async () => {
    await expect(nodes.start('n2', { join: ['127.0.0.1:1'] })).rejects.toMatchObject({
      code: 'CERTIFICATE_MISSING',
      message: expect.stringContaining('--founding') as unknown,
    })
  })

  test('off loopback without TLS it does not start, and says the three ways out', async () => {
    const start = nodes.start('n1', {
      tls: 'off',
      api: { host: '0.0.0.0', port: 0 },
      advertiseApi: 'http://127.0.0.1:7400',
    })
    await expect(start).rejects.toThrow(/Three ways out: --tls on.*127\.0\.0\.1.*--insecure/)
  })

  test('a damaged founding token is told at once', async () => {
    const token = await makeFoundingToken()
    const joinToken = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')
    await expect(nodes.start('n1', { joinToken })).rejects.toThrow('damaged')
  })

  test('a cluster without TLS gets it by a founding token on every node', async () => {
    const plain = await nodes.start('n1', { tls: 'off' })
    await plain.server.formed
    await nodes.stop(plain)
    const { dataDir } = plain
    await expect(nodes.start('n1', { dataDir })).rejects.toMatchObject({
      code: 'CERTIFICATE_MISSING',
    })
    const secured = await nodes.start('n1', { dataDir, joinToken: await makeFoundingToken() })
    await secured.server.formed
    expect(await members(secured)).toHaveLength(1)
  })

  test('one whose certificate is gone with its disk is another node', async () => {
    const { node } = await lone()
    const first = node.server.fingerprint
    await nodes.stop(node)
    await rm(join(node.dataDir, 'tls'), { recursive: true })
    await expect(nodes.start('n1', { dataDir: node.dataDir })).rejects.toMatchObject({
      code: 'CERTIFICATE_MISSING',
    })
    expect(first).toMatch(/^[0-9a-f]{40}$/)
  })
})
