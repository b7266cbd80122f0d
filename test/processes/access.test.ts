// Goal: a cluster whose API wants tokens lets nobody else in, on any node, after restarts and after a snapshot; and
// nothing that a real process wrote anywhere holds a secret or a token.
// Method: real processes and the documented commands; at the end every byte that they wrote is searched.
// What a refusal said is shown when it is another one: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSecret, readSealKeys } from '../../shared/definitions/seal.ts'
import { LAUNCHER } from './command.ts'
import { call, Fleet, until, type Json, type Process } from './processes.ts'

const SECRET = 'correct-horse-battery-staple'
const TOKEN = /bootstrap admin token: (rwt_bootstrap\.\S+)/

let fleet: Fleet
/** Everything that commands printed, but for the tokens that they are asked for. */
let printed: string[]

beforeEach(async () => {
  fleet = await Fleet.open()
  printed = []
})

afterEach(() => fleet.close())

type Ran = { readonly code: number | null; readonly out: string; readonly said: string }

/** Runs a command against every node, with a token. */
function raftway(token: string | null, ...args: readonly string[]): Ran {
  const control = fleet.nodes.filter((node) => node.isRunning).map((node) => node.url)
  const ran = spawnSync(process.execPath, [LAUNCHER, ...args], {
    encoding: 'utf8',
    env: {
      ...process.env,
      RAFTWAY_CONTROL: control.join(','),
      ...(token === null ? {} : { RAFTWAY_TOKEN: token }),
    },
  })
  const isTold = args[0] === 'token' && args[1] === 'create'
  printed.push(isTold ? '' : ran.stdout, ran.stderr)
  return { code: ran.status, out: ran.stdout, said: ran.stderr }
}

function made(token: string, ...args: readonly string[]): string {
  const { code, out, said } = raftway(token, 'token', 'create', ...args)
  expect(code, said).toBe(0)
  return out.trim()
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

async function secured(count: number): Promise<{ admin: string; keyFile: string }> {
  const keyFile = join(fleet.dir, 'seal.key')
  await writeFile(keyFile, randomBytes(32).toString('base64'))
  await fleet.form(count, ['--auth', 'on', '--seal-key', keyFile])
  const admin = await until('the bootstrap token', () => {
    const found = fleet.nodes.flatMap((node) => TOKEN.exec(node.output)?.[1] ?? [])
    return found.length > 0 ? found : null
  })
  expect(admin).toHaveLength(1)
  return { admin: admin[0] ?? '', keyFile }
}

/** The bytes of every file below a directory, and what a process wrote. */
async function bytesOf(node: Process): Promise<string> {
  const entries = await readdir(node.dataDir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const texts = await Promise.all(
    files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')),
  )
  expect(files.length).toBeGreaterThan(3)
  return [...texts, node.output.replace(TOKEN, '')].join('\n')
}

test('tokens are good on every node, after a restart and after a snapshot, until they are revoked', async () => {
  const { admin } = await secured(3)
  expect(raftway(null, 'get', 'apis').code).toBe(7)
  const viewer = made(admin, '--role', 'viewer', '--name', 'looker', '--ttl', '1h')
  const editor = made(admin, '--role', 'editor', '--name', 'ci')
  for (const node of fleet.nodes) {
    expect((await call(`${node.url}/v1/apis`, 'GET', undefined, bearer(viewer))).status).toBe(200)
    expect((await call(`${node.url}/v1/apis`)).status).toBe(401)
    expect((await call(`${node.url}/metrics`)).status).toBe(401)
    expect((await call(`${node.url}/v1/cluster`)).status).toBe(401)
    expect((await call(`${node.url}/healthz`)).status).toBe(200)
  }
  // Through every node, so that two of the three are forwarded.
  for (const [at, node] of fleet.nodes.entries()) {
    const spec = { targets: [{ url: 'http://127.0.0.1:9001' }] }
    const path = `${node.url}/v1/upstreams/u${at}`
    expect((await call(path, 'PUT', { spec }, bearer(viewer))).status).toBe(403)
    expect((await call(path, 'PUT', { spec }, bearer(editor))).status).toBe(201)
  }
  const history = JSON.parse(raftway(viewer, 'history', '-o', 'json').out) as { items: Json[] }
  expect(history.items.slice(0, 3)).toMatchObject(
    [2, 1, 0].map((at) => ({
      author: 'token:ci',
      origin: { caller: 'token:ci', role: 'editor', address: '127.0.0.1' },
      changes: [{ kind: 'Upstream', name: `u${at}` }],
    })),
  )
  // All at once, so that what is known afterwards comes from disks.
  await Promise.all(fleet.nodes.map((node) => node.kill('SIGKILL')))
  for (const node of fleet.nodes) node.start()
  await Promise.all(fleet.nodes.map((node) => node.ready()))
  // A node that has nothing gets a snapshot or the log, and knows the tokens.
  const fourth = await fleet.another(['--auth', 'on'])
  await fourth.ready(60_000)
  for (const node of fleet.nodes) {
    for (const token of [admin, editor, viewer]) {
      const reply = await call(`${node.url}/v1/apis`, 'GET', undefined, bearer(token))
      expect(reply.status, node.name).toBe(200)
    }
  }
  const tellers = fleet.nodes.filter((node) => TOKEN.test(node.output))
  expect(tellers).toHaveLength(1)

  expect(raftway(admin, 'token', 'revoke', 'ci', '--reason', 'test').code).toBe(0)
  for (const node of fleet.nodes) {
    await until('the revocation', async () => {
      const reply = await call(`${node.url}/v1/apis`, 'GET', undefined, bearer(editor))
      return reply.status === 401 ? true : null
    })
  }
  const list = raftway(admin, 'token', 'list').out
  expect(list).toMatch(/ci +editor +revoked/)
  expect(list).toMatch(/looker +viewer +good/)
  expect(raftway(editor, 'get', 'apis').code).toBe(7)
  const second = made(admin, '--role', 'admin', '--name', 'second')
  expect(raftway(second, 'token', 'revoke', 'bootstrap').code).toBe(0)
  expect(raftway(admin, 'get', 'apis').code).toBe(7)
  expect(raftway(second, 'token', 'create', '--role', 'viewer', '--name', 'ci').code).toBe(4)
}, 180_000)

test('no secret and no token is in anything that a process wrote, and a gateway opens what it got', async () => {
  const { admin, keyFile } = await secured(3)
  const gatewayToken = made(admin, '--role', 'gateway', '--name', 'gw')
  const viewer = made(admin, '--role', 'viewer', '--name', 'looker')
  const gateway = await fleet.gateway(['--token', gatewayToken])
  const file = join(fleet.dir, 'db.yaml')
  await writeFile(file, `kind: Secret\nname: db\nspec:\n  value: ${SECRET}\n`)
  const apply = raftway(admin, 'apply', '-f', file)
  expect(apply.code, apply.said).toBe(0)
  expect(apply.out).toContain('Secret/db created')
  // Applied again it is the same, though no command has seen what is stored.
  expect(raftway(admin, 'apply', '-f', file).out).toContain('Secret/db unchanged')
  expect(raftway(admin, 'diff', '-f', file).code).toBe(0)
  const exported = raftway(admin, 'export')
  const exportFile = join(fleet.dir, 'export.yaml')
  await writeFile(exportFile, exported.out)
  expect(raftway(admin, 'apply', '-f', exportFile).said).toContain('nothing to do')
  await writeFile(file, `kind: Secret\nname: db\nspec:\n  value: ${SECRET}-2\n`)
  expect(raftway(admin, 'apply', '-f', file).out).toContain('Secret/db changed')
  expect(raftway(admin, 'diff', '1', '1000').code).not.toBe(0)
  raftway(admin, 'history')
  raftway(viewer, 'get', 'secret', 'db', '-o', 'json')
  // Refusals of every sort, for the logs.
  for (const value of [{ [SECRET]: 1 }, [SECRET], { sealed: SECRET }]) {
    const reply = await call(
      `${fleet.nodes[1]?.url}/v1/secrets/db`,
      'PUT',
      { spec: { value } },
      bearer(admin),
    )
    expect(reply.status).toBe(422)
    printed.push(JSON.stringify(reply.body))
  }
  await gateway.ready()
  await fleet.connected(1, bearer(viewer))
  const keys = readSealKeys(await readFile(keyFile, 'utf8'))
  if (!keys.ok) throw new Error(keys.message)
  // The definition files of a node hold the sealed form, which any holder of the key opens.
  await until('the definition file', async () => {
    const path = join(fleet.nodes[0]?.dataDir ?? '', 'definitions/secret/db.json')
    const definition = JSON.parse(await readFile(path, 'utf8')) as {
      spec: { value: { sealed: string } }
    }
    const place = { kind: 'Secret', name: 'db', path: 'spec.value' }
    const opened = openSecret(keys.keys, place, definition.spec.value.sealed)
    return opened.ok && opened.value === `${SECRET}-2` ? true : null
  })
  await fleet.nodes[0]?.kill('SIGTERM')
  await gateway.kill('SIGTERM')
  const wrote = await Promise.all([...fleet.nodes, gateway].map(bytesOf))
  const hidden = [
    SECRET,
    ...[admin, gatewayToken, viewer].map((token) => token.split('.')[1] ?? ''),
  ]
  for (const text of [...wrote, ...printed]) {
    for (const word of hidden) {
      expect(word.length).toBeGreaterThan(20)
      expect(text.includes(word), `${word} in ${text.slice(0, 200)}`).toBe(false)
      expect(text.includes(Buffer.from(word).toString('base64').slice(2, -4))).toBe(false)
    }
  }
  // The audit log has who did what.
  const lines = fleet.nodes
    .flatMap((node) => node.output.split('\n'))
    .filter((line) => line.includes('"audit":true'))
  expect(lines.some((line) => line.includes('"caller":"token:bootstrap"'))).toBe(true)
}, 120_000)
