// Goal: what `npm pack` makes is a working program. Method: pack, install into an empty folder, run it there.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { Command, isGone, pasteWell, ROOT } from './command.ts'

let folder = ''
let command = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raftway-package-'))
  await pasteWell(`npm pack --pack-destination ${folder}`, ROOT)
  await writeFile(join(folder, 'package.json'), '{"name":"empty","private":true}')
  const tarball = join(folder, `raftway-${manifest.version}.tgz`)
  const install = `npm install --prefer-offline --no-audit --no-fund ${tarball}`
  await pasteWell(install, folder)
  command = join(folder, 'node_modules/.bin/raftway')
}, 300_000)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** The command by the name that npm gave it, on the Node of this test: no other is promised to be new enough. */
function raftway(...args: readonly string[]): Command {
  const PATH = `${dirname(process.execPath)}:${process.env['PATH']}`
  return new Command(command, args, folder, { ...process.env, PATH })
}

test('it holds the compiled program, the examples and no source', async () => {
  const root = join(folder, 'node_modules/raftway')
  const files = await readdir(root, { recursive: true })
  expect(files).toContain('dist/cli/main.js')
  expect(files).toContain('dist/gateway/worker.js')
  expect(files).toContain('examples/petstore.yaml')
  expect(files).toContain('bin/raftway.js')
  const sources = files.filter((file) => file.endsWith('.ts') && !file.includes('node_modules'))
  expect(sources).toEqual([])
})

test('raftway version prints the version of the package', async () => {
  const version = raftway('version', '-o', 'json', '--control', 'http://127.0.0.1:1')
  expect((await version.ended).code).toBe(0)
  expect(JSON.parse(version.out)).toMatchObject({
    client: { version: manifest.version },
    server: null,
  })
})

test('raftway dev serves a request and stops', async () => {
  const dev = raftway('dev', '--ports', 'auto', '--data-dir', 'data', '-o', 'json')
  await dev.says(/^\}\n$/m)
  const { gateways, pids, commands } = JSON.parse(dev.out) as {
    gateways: { http: number }[]
    pids: { pid: number }[]
    commands: { line: string }[]
  }
  try {
    expect(commands[0]?.line).toMatch(/^npx raftway cluster status /)
    const answer = await request(`http://127.0.0.1:${gateways[0]?.http}/pets/7`, {
      headers: { host: 'api.example.com' },
    })
    expect(answer.statusCode).toBe(200)
    expect(await answer.body.json()).toMatchObject({ method: 'GET', path: '/v2/7' })
  } finally {
    dev.process.kill('SIGINT')
  }
  expect((await dev.ended).code).toBe(0)
  expect(pids.filter(({ pid }) => !isGone(pid))).toEqual([])
})
