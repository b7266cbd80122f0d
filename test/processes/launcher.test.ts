// Goal: the command runs on the pinned Node whatever the machine has, and dies with its launcher. Method: the oldest
// Node on the PATH starts it; where every Node is new enough, the tests are skipped by name.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Command, isGone, LAUNCHER, pasteWell, ROOT, until } from './command.ts'

const folders = (process.env['PATH'] ?? '').split(delimiter)
const oldNode = folders.map((folder) => join(folder, 'node')).find(isTooOld)

function isTooOld(file: string): boolean {
  if (!existsSync(file)) return false
  const [major = 0, minor = 0] = execFileSync(file, ['-p', 'process.versions.node'], {
    encoding: 'utf8',
  })
    .split('.')
    .map(Number)
  return major < 24 || (major === 24 && minor < 12)
}

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raftway-launcher-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const SERVER = ['server', 'start', '--name', 'n1', '--api', '127.0.0.1:0', '--peer', '127.0.0.1:0']

describe.skipIf(oldNode === undefined)('started by a Node that is too old', () => {
  const launch = (...args: readonly string[]): Command =>
    new Command(oldNode ?? '', [LAUNCHER, ...args], folder)

  test('the command runs on the pinned one, and its exit code comes through', async () => {
    const version = launch('version', '-o', 'json', '--control', 'http://127.0.0.1:1')
    expect((await version.ended).code).toBe(0)
    expect(JSON.parse(version.out)).toMatchObject({ client: { node: process.version } })
    expect((await launch('aply').ended).code).toBe(2)
  })

  test('a signal to the launcher stops a server cleanly', async () => {
    const server = launch(...SERVER, '--data-dir', folder)
    const [, pid] = await server.says(/"pid":(\d+).*part of a cluster/)
    expect(Number(pid)).not.toBe(server.pid)
    server.process.kill('SIGTERM')
    expect(await server.ended).toEqual({ code: 0, signal: null })
    expect(server.said).toContain('"stopped"')
    expect(isGone(Number(pid))).toBe(true)
  })

  test('a launcher that is killed outright takes the server with it', async () => {
    const server = launch(...SERVER, '--data-dir', folder)
    const [, pid] = await server.says(/"pid":(\d+).*listening/)
    server.process.kill('SIGKILL')
    await server.ended
    await until(
      () => isGone(Number(pid)),
      () => `process ${pid} to end`,
    )
    expect(server.said).not.toContain('"stopped"')
  })
})

describe('under npx', () => {
  test('the command is found in the checkout', async () => {
    expect(await pasteWell('npx raftway --version', ROOT)).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  // npm runs a shell that runs the command, and of npm and the shell neither passes a signal on.
  test.for([
    ['Ctrl-C', (server: Command) => server.signalGroup('SIGINT'), /"stopped"/],
    ['SIGTERM to npx alone', (server: Command) => server.process.kill('SIGTERM'), /"stopped"/],
    ['SIGKILL to npx alone', (server: Command) => server.process.kill('SIGKILL'), /"listening"/],
  ] as const)('%s leaves no process', async ([, stop, lastWords]) => {
    const server = new Command('npx', ['raftway', ...SERVER, '--data-dir', folder], ROOT)
    const [, pid] = await server.says(/"pid":(\d+).*part of a cluster/)
    stop(server)
    await until(
      () => isGone(Number(pid)),
      () => `process ${pid} to end`,
    )
    await server.ended
    expect(server.said).toMatch(lastWords)
  })
})
