// Goal: `npm start` gives a whole cluster, every line that it prints works when pasted, and nothing is left behind.
// Method: the real command with real processes, its own output pasted into shells, and the pids that it names.
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Command, isGone, LAUNCHER, paste, pasteWell, ROOT, until } from './command.ts'

const STOP_MS_MAX = 5_000
const started: Command[] = []

function dev(...args: readonly string[]): Command {
  const command = new Command(process.execPath, [LAUNCHER, 'dev', ...args], ROOT)
  started.push(command)
  return command
}

afterAll(() => {
  for (const command of started) if (!isGone(command.pid)) command.process.kill('SIGKILL')
})

type Row = { readonly name: string; readonly what: string; readonly pid: number }

/** The rows of the summary's table: what runs, and as which process. */
function rowsOf(text: string): readonly Row[] {
  return [...text.matchAll(/^(n\d|gw\d) {2,}(.+?) {2,}(\d+) {2}http/gm)].map((found) => ({
    name: found[1] ?? '',
    what: found[2] ?? '',
    pid: Number(found[3]),
  }))
}

/** The lines to paste: those that are set in, but for comments. */
function linesOf(text: string): readonly string[] {
  return [...text.matchAll(/^ {2}([^# ].*)$/gm)].map((found) => found[1] ?? '')
}

const READY = /cluster status --control \S+\n$/

describe('a cluster of three with a gateway', () => {
  let folder = ''
  let summary = ''
  let first: Command

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'raftway-dev-'))
    first = dev('--ports', 'auto', '--data-dir', folder)
    await first.says(READY)
    summary = first.out
  })

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  test('runs four processes, one of which leads', () => {
    const rows = rowsOf(summary)
    expect(rows.map(({ name }) => name)).toEqual(['n1', 'n2', 'n3', 'gw1'])
    expect(rows.filter(({ what }) => what === 'node, leads')).toHaveLength(1)
    expect(rows.filter(({ pid }) => isGone(pid))).toEqual([])
  })

  test('is protected in two minutes by the lines of README', async () => {
    const here = join(folder, 'here')
    await mkdir(join(here, 'node_modules/.bin'), { recursive: true })
    await symlink(LAUNCHER, join(here, 'node_modules/.bin/raftway'))
    // Its examples send requests to the target that runs, whatever its port.
    await symlink(join(folder, 'examples'), join(here, 'examples'))
    const traffic = /gw1 .* http:\/\/(127\.0\.0\.1:\d+), status/.exec(summary)?.[1] ?? ''
    const control = /^n1 .* (http:\/\/127\.0\.0\.1:\d+), peers/m.exec(summary)?.[1] ?? ''
    const type = async (block: string): Promise<string> => {
      const lines = block.replaceAll('127.0.0.1:8080', traffic)
      return pasteWell(`export RAFTWAY_CONTROL=${control}\nset -e\n${lines}`, here)
    }
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
    const blocks = [...readme.matchAll(/^```sh protect\n([^]*?)^```/gm)].map(
      ([, text = '']) => text,
    )
    expect(blocks).toHaveLength(3)
    const [protect = '', permit = '', revoke = ''] = blocks
    expect(await type(protect)).toMatch(/^HTTP\/1\.1 401 [^]*"API_KEY_MISSING"/m)
    const permitted = await type(permit)
    expect(permitted).toMatch(/^HTTP\/1\.1 200 [^]*"path": "\/invoices\/7"/m)
    expect(permitted).toContain('"x-consumer-name": "alice"')
    const key = (await readFile(join(here, 'alice.key'), 'utf8')).trim()
    expect(key).toMatch(/^rwk_[A-Za-z0-9_-]{43}$/)
    expect(permitted).not.toContain(key)
    expect(await type(revoke)).toMatch(/^HTTP\/1\.1 401 [^]*"API_KEY_INVALID"/m)
  })

  test('prints commands that all work when pasted, and reports the leader that was killed', async () => {
    const lines = linesOf(summary)
    expect(lines.length).toBeGreaterThanOrEqual(10)
    const ran = new Map<string, string>()
    for (const line of lines) {
      ran.set(line, await pasteWell(line, ROOT))
    }
    const outOf = (part: string): string =>
      [...ran]
        .filter(([line]) => line.includes(part))
        .map(([, out]) => out)
        .at(-1) ?? ''
    expect(outOf("-H 'Host: api")).toMatch(/^HTTP\/1\.1 200 [^]*"path": "\/v2\/7"/)
    expect(outOf("-H 'Host: cart")).toMatch(/^HTTP\/1\.1 200 [^]*"host": "localhost:\d+"/)
    expect(outOf('apply')).toContain('Api/cart created')
    expect(outOf('explain')).toContain('Api/petstore route 0')

    const killed = rowsOf(summary).find(({ what }) => what === 'node, leads')
    const [, restart = ''] = await first.says(
      /was killed by SIGKILL\. To start it again:\n {2}(.+)\n/,
    )
    expect(restart).toContain(`server start --name ${killed?.name}`)
    const again = new Command('bash', ['-c', `exec ${restart}`], ROOT)
    try {
      const status = lines.at(-1) ?? ''
      await until(
        async () =>
          new RegExp(`^${killed?.name} +voter +\\w+ +up +0 `, 'm').test(
            (await paste(status, ROOT)).out,
          ),
        () => `the restarted node to catch up:\n${again.text}`,
      )
    } finally {
      again.process.kill('SIGTERM')
      await again.ended
    }
  })

  test('Ctrl-C stops everything within five seconds and leaves no process', async () => {
    const pids = rowsOf(summary).map(({ pid }) => pid)
    const stopping = performance.now()
    first.process.kill('SIGINT')
    expect(await first.ended).toEqual({ code: 0, signal: null })
    expect(performance.now() - stopping).toBeLessThan(STOP_MS_MAX)
    expect(pids.filter((pid) => !isGone(pid))).toEqual([])
  })

  test('started again it has its data and addresses, and SIGTERM stops it as well', async () => {
    const second = dev('--data-dir', folder)
    await second.says(READY)
    const urls = (text: string): unknown[] => [
      ...text.matchAll(/http:\/\/127\.0\.0\.1:\d+(?=, peers)/g),
    ]
    expect(urls(second.out).map(String)).toEqual(urls(summary).map(String))
    const line = linesOf(second.out).find((one) => one.includes('get apis')) ?? ''
    expect((await paste(line, ROOT)).out).toContain('petstore')
    const pids = rowsOf(second.out).map(({ pid }) => pid)
    const stopping = performance.now()
    second.process.kill('SIGTERM')
    expect((await second.ended).code).toBe(0)
    expect(performance.now() - stopping).toBeLessThan(STOP_MS_MAX)
    expect(pids.filter((pid) => !isGone(pid))).toEqual([])
  })

  test('killed outright, it takes its children with it', async () => {
    const third = dev('--data-dir', folder)
    await third.says(READY)
    const pids = rowsOf(third.out).map(({ pid }) => pid)
    expect(pids).toHaveLength(4)
    third.process.kill('SIGKILL')
    await third.ended
    await until(
      () => pids.every(isGone),
      () => `the children to end: ${pids.filter((pid) => !isGone(pid)).join(', ')}`,
    )
  })

  test('a port that is taken is named, with what wants it and the way out', async () => {
    const plan = JSON.parse(await readFile(join(folder, 'dev.json'), 'utf8')) as {
      gateways: { http: number }[]
    }
    const port = plan.gateways[0]?.http ?? 0
    const thief = createServer()
    await new Promise<void>((resolve) => {
      thief.listen(port, '127.0.0.1', () => resolve())
    })
    try {
      const refused = dev('--data-dir', folder)
      expect((await refused.ended).code).toBe(1)
      expect(refused.said).toContain(`port ${port}, wanted for --http of gw1`)
      expect(refused.said).toContain('--reset --ports auto')
    } finally {
      thief.close()
    }
  })

  test('fewer nodes than the data has are refused', async () => {
    const refused = dev('--data-dir', folder, '--nodes', '1')
    expect((await refused.ended).code).toBe(2)
    expect(refused.said).toContain('holds a cluster of 3 nodes')
  })
})

describe('a folder of its own', () => {
  let folder = ''

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'raftway-dev-'))
  })

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  test('one node prints JSON for programs and nothing else, and --reset begins anew', async () => {
    const one = dev(
      '--nodes',
      '1',
      '--gateways',
      '0',
      '--ports',
      'auto',
      '--data-dir',
      folder,
      '-o',
      'json',
    )
    await one.says(/^\}\n$/m)
    const { nodes, pids, commands } = JSON.parse(one.out) as {
      nodes: { api: number }[]
      pids: { pid: number }[]
      commands: { line: string }[]
    }
    expect(commands.every(({ line }) => line.includes(`:${nodes[0]?.api}`))).toBe(true)
    one.process.kill('SIGINT')
    expect((await one.ended).code).toBe(0)
    expect(pids.every(({ pid }) => isGone(pid))).toBe(true)

    await writeFile(join(folder, 'marker'), 'of the first run')
    const anew = dev(
      '--nodes',
      '1',
      '--gateways',
      '0',
      '--ports',
      'auto',
      '--data-dir',
      folder,
      '--reset',
    )
    await anew.says(/Raftway is running/)
    anew.process.kill('SIGINT')
    expect((await anew.ended).code).toBe(0)
    await expect(readFile(join(folder, 'marker'))).rejects.toThrow(/ENOENT/)
  })

  test('npm start is the same, and Ctrl-C reaches it through npm', async () => {
    const args = ['start', '--', '--nodes', '1', '--gateways', '0', '--ports', 'auto']
    const npm = new Command('npm', [...args, '--data-dir', folder], ROOT)
    started.push(npm)
    await npm.says(/Raftway is running[^]*raftway history/)
    const pids = rowsOf(npm.out).map(({ pid }) => pid)
    expect(pids).toHaveLength(1)
    npm.signalGroup('SIGINT')
    await npm.ended
    expect(npm.said).toContain('stopping')
    expect(pids.filter((pid) => !isGone(pid))).toEqual([])
  })

  test('--reset does not touch a folder that it did not make', async () => {
    await writeFile(join(folder, 'precious'), 'thesis')
    const refused = dev('--reset', '--data-dir', folder)
    expect((await refused.ended).code).toBe(1)
    expect(refused.said).toContain('delete it yourself')
    expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('thesis')
  })

  test('stopped while it starts, it stops at once and leaves no process', async () => {
    const early = dev('--ports', 'auto', '--data-dir', folder)
    await early.says(/starting 3 nodes/)
    const stopping = performance.now()
    early.process.kill('SIGINT')
    expect((await early.ended).code).toBe(0)
    expect(performance.now() - stopping).toBeLessThan(STOP_MS_MAX)
    const logs = await Promise.all(
      ['n1', 'n2', 'n3', 'gw1'].map((name) =>
        readFile(join(folder, 'logs', `${name}.log`), 'utf8').catch(() => ''),
      ),
    )
    const pids = logs.flatMap((log) =>
      [...log.matchAll(/"pid":(\d+)/g)].map((found) => Number(found[1])),
    )
    expect(pids.filter((pid) => !isGone(pid))).toEqual([])
  })
})
