// Goal: three boxes become a cluster with TLS, a fourth and a gateway get in with tokens, by the documented commands only.
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Command, LAUNCHER } from './command.ts'
import { filesBelow, Fleet, freePort, Process, until } from './processes.ts'

let fleet: Fleet
let target = ''
const boxes: Process[] = []
/** What the commands of an operator have in their environment. */
let env: NodeJS.ProcessEnv = {}

beforeAll(async () => {
  fleet = await Fleet.open()
  target = await fleet.target('a')
})
afterAll(async () => {
  await Promise.all(boxes.map((box) => box.kill('SIGKILL')))
  await fleet.close()
})

/** Runs one command to its end. */
async function raftway(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly out: string; readonly said: string }> {
  const command = new Command(process.execPath, [LAUNCHER, ...args], fleet.dir, {
    ...process.env,
    ...env,
  })
  const { code } = await command.ended
  return { code, out: command.out, said: command.said }
}

async function secretFile(name: string, text: string): Promise<string> {
  const file = join(fleet.dir, name)
  await writeFile(file, text, { mode: 0o600 })
  return file
}

function aBox(name: string, ports: { readonly api: number; readonly peer: number }): Process {
  const dataDir = join(fleet.dir, name)
  const { api, peer } = ports
  const args = ['server', 'start', '--name', name, '--data-dir', dataDir]
  args.push('--api', `127.0.0.1:${api}`, '--peer', `127.0.0.1:${peer}`)
  const box = new Process(name, `https://127.0.0.1:${api}`, dataDir, args)
  boxes.push(box)
  return box
}

async function ports(): Promise<{ readonly api: number; readonly peer: number }> {
  return { api: await freePort(), peer: await freePort() }
}

function start(box: Process, more: readonly string[]): void {
  ;(box.args as string[]).push(...more)
  box.start()
}

async function names(role: string): Promise<string[]> {
  const { out } = await raftway('cluster', 'members', '-o', 'json')
  const { members } = JSON.parse(out) as { members: { name: string; role: string }[] }
  return members.filter((one) => one.role === role).map(({ name }) => name)
}

describe('three boxes with TLS', () => {
  test('found a cluster with one founding token', async () => {
    const made = await raftway('token', 'create', '--role', 'node', '--founding')
    expect(made.code).toBe(0)
    expect(made.out).toMatch(/^rwf_founding\.[\w-]{43}\.[0-9a-f]{40}\n$/)
    const token = await secretFile('founding.token', made.out)
    const all = [await ports(), await ports(), await ports()]
    const join = all.map(({ peer }) => `127.0.0.1:${peer}`).join(',')
    for (const [i, one] of all.entries()) {
      const more = ['--join', join, '--expect', '3', '--join-token', `@${token}`]
      start(aBox(`n${i + 1}`, one), more)
    }
    const printed = /^bootstrap admin token: (rwt_bootstrap\.[\w-]{43}\.[0-9a-f]{40})$/m
    const admin = await until(
      'the first admin’s token',
      () => boxes.flatMap(({ output }) => printed.exec(output)?.[1] ?? [])[0],
      60_000,
    )
    env = {
      RAFTWAY_CONTROL: boxes.map(({ url }) => url).join(','),
      RAFTWAY_TOKEN: `@${await secretFile('admin.token', admin)}`,
    }
    const isWhole = async () => ((await names('voter')).length === 3 ? true : null)
    await until('three voters', isWhole, 60_000)
    expect((await raftway('cluster', 'status')).code).toBe(0)
  })

  test('take definitions over TLS, and nothing without a token', async () => {
    const api = {
      kind: 'Api',
      name: 'pets',
      spec: { routes: [{ path: '/' }], upstream: { targets: [{ url: target }] } },
    }
    const file = await secretFile('pets.json', JSON.stringify(api))
    const applied = await raftway('apply', '-f', file)
    expect(applied.said + applied.out).toContain('pets')
    expect(applied.code).toBe(0)
    const kept = env
    env = { RAFTWAY_CONTROL: kept['RAFTWAY_CONTROL'] }
    const unbelieved = await raftway('get', 'apis')
    expect(unbelieved.said).toContain('give --ca FILE')
    const ca = join(boxes[0]?.dataDir ?? '', 'tls/authority.crt')
    const refused = await raftway('get', 'apis', '--ca', ca)
    expect(refused.said).toContain('UNAUTHENTICATED')
    expect(refused.code).toBe(7)
    env = kept
  })

  test('let a fourth box in with a token of role node, once', async () => {
    const made = await raftway('token', 'create', '--role', 'node', '--ttl', '1h')
    expect(made.out).toMatch(/^rwj_/)
    const token = await secretFile('n4.token', made.out)
    const join = boxes[0]?.args[boxes[0].args.indexOf('--peer') + 1] ?? ''
    const fourth = aBox('n4', await ports())
    start(fourth, ['--join', join, '--join-token', `@${token}`])
    const votes = async () => ((await names('voter')).includes('n4') ? true : null)
    await until('it votes', votes, 60_000)
    const fifth = aBox('n5', await ports())
    start(fifth, ['--join', join, '--join-token', `@${token}`])
    await until('it is refused', () => (fifth.isRunning ? null : true))
    expect(fifth.output).toContain('TOKEN_USED_UP')
    expect(fifth.exitCode).not.toBe(0)
  })

  test('serve a gateway that enrolled with a token', async () => {
    const made = await raftway('token', 'create', '--role', 'gateway', '--ttl', '1h')
    const token = await secretFile('gw.token', made.out)
    const control = env['RAFTWAY_CONTROL'] ?? ''
    const gateway = await fleet.gateway(['--control', control, '--token', `@${token}`])
    await gateway.ready(60_000)
    const answer = await fetch(`${gateway.traffic}/x`)
    expect(await answer.json()).toMatchObject({ target: 'a', path: '/x' })
    expect((await stat(join(gateway.dataDir, 'gateway.pem'))).mode & 0o777).toBe(0o600)
    // Revoked, it goes on with what it has, and hears of nothing new.
    const revocation = { kind: 'Revocation', name: 'gw1', spec: { gateway: 'gw1' } }
    const file = await secretFile('revocation.json', JSON.stringify(revocation))
    expect((await raftway('apply', '-f', file)).code).toBe(0)
    await until('it has lost its watch', async () => {
      const status = (await (await fetch(`${gateway.url}/status`)).json()) as {
        controlPlane: { connected: boolean }
      }
      return status.controlPlane.connected ? null : true
    })
    expect((await fetch(`${gateway.traffic}/y`)).status).toBe(200)
  })

  test('come back one by one after kill -9, without their token file', async () => {
    for (const box of boxes.slice(0, 3)) {
      await box.kill('SIGKILL')
      const args = box.args as string[]
      args.splice(args.indexOf('--join-token'), 2)
      box.start()
      const isBack = async () => {
        const ran = await raftway('cluster', 'status', '--control', box.url)
        return ran.code === 0 ? true : null
      }
      await until(`${box.name} is back`, isBack, 60_000)
    }
    expect((await raftway('get', 'apis')).out).toContain('pets')
  })

  test('keep every secret to themselves', async () => {
    const secrets: string[] = []
    for (const name of ['founding.token', 'n4.token', 'gw.token', 'admin.token']) {
      secrets.push((await readFile(join(fleet.dir, name), 'utf8')).split('.')[1] ?? '')
    }
    for (const box of [...boxes, ...fleet.gateways]) {
      const said = box.output.replace(/bootstrap admin token: \S+/g, '')
      for (const secret of secrets) expect(said).not.toContain(secret)
      expect(said).not.toContain('PRIVATE KEY')
    }
    for (const box of boxes.slice(0, 4)) {
      for (const [path] of await filesBelow(join(box.dataDir, 'tls'))) {
        expect((await stat(join(box.dataDir, 'tls', path))).mode & 0o777).toBe(0o600)
      }
    }
  })
})
