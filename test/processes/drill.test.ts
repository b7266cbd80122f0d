// Goal: a stranger can operate a cluster with nothing but README's "Operating a cluster". Method: its lines are typed as
// they stand, in their order, each on the machine that its block names, with addresses and disks of their own. What the
// section says around the lines is done here: files are copied to boxes, what runs in the foreground is waited for.
import { copyFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Boxes, type Box } from './boxes.ts'
import { ROOT, until, type Command } from './command.ts'

type Block = { readonly box: string; readonly lines: string }

const canRun = Boxes.arePossible()
const NAMES = ['n1', 'n2', 'n3', 'n4', 'gw', 'spare', 'admin']
/** The line of a block that does not come back. */
const FOREGROUND = /^raftway (?:server|gateway) start /m

describe.skipIf(!canRun)(
  'README, operating a cluster (needs root, iproute2 and util-linux)',
  () => {
    let boxes: Boxes
    let blocks: Block[]
    /** The latest node or gateway of each box. */
    const running = new Map<string, Command>()
    const done: Block[] = []

    beforeAll(async () => {
      blocks = blocksOf(await readFile(join(ROOT, 'README.md'), 'utf8'))
      boxes = await Boxes.open(NAMES)
    })

    afterAll(async () => {
      await boxes.close()
    })

    /** Types the next block, which must be on this box and contain these words. Gives what it printed, if it ends. */
    async function type(name: string, words: string, env: Readonly<Record<string, string>> = {}) {
      const block = blocks.shift()
      expect(block).toMatchObject({ box: name, lines: expect.stringContaining(words) as string })
      if (block === undefined) throw new Error('README has no further block')
      done.push(block)
      const box = boxes.box(name)
      const lines = Object.entries(env).reduce(
        (text, [from, to]) => text.replace(from, to),
        block.lines,
      )
      if (!FOREGROUND.test(lines)) {
        const printed = await box.run(lines)
        await shareTokens(box)
        return printed
      }
      running.set(name, box.start(lines))
      return ''
    }

    /** Copies what the section says is copied: tokens and backups, from the admin's machine to every other. */
    async function shareTokens(from: Box): Promise<void> {
      for (const file of await readdir(from.dir)) {
        if (!/\.(token|backup)$/.test(file)) continue
        for (const name of NAMES) {
          const to = boxes.box(name)
          if (to !== from) await copyFile(join(from.dir, file), join(to.dir, file))
        }
      }
    }

    async function onAdmin(line: string): Promise<string> {
      return boxes.box('admin').run(line)
    }

    type Status = {
      readonly clusterId: string
      readonly members: readonly {
        readonly name: string
        readonly role: string
        readonly healthy: boolean
      }[]
    }

    async function status(more = ''): Promise<Status> {
      return JSON.parse(await onAdmin(`raftway cluster status -o json ${more}`)) as Status
    }

    async function votersUp(names: readonly string[], more = ''): Promise<Status> {
      return until(
        async () => {
          const seen = await status(more).catch(() => null)
          if (seen === null) return null
          const up = seen.members.filter(({ role, healthy }) => role === 'voter' && healthy)
          const found = up.map(({ name }) => name).toSorted()
          return found.join() === [...names].toSorted().join() ? seen : null
        },
        () =>
          `${names.join()} voting; ${[...running.values()].map(({ text }) => text.slice(-2_000)).join('\n---\n')}`,
      )
    }

    function node(name: string): Command {
      const command = running.get(name)
      if (command === undefined) throw new Error(`nothing runs on ${name}`)
      return command
    }

    test('three boxes with TLS found a cluster, and tokens let people in', async () => {
      await type('admin', 'token create --role node --founding')
      for (const name of ['n1', 'n2', 'n3']) await type(name, 'server start')
      await until(
        () =>
          ['n1', 'n2', 'n3'].some((name) => /bootstrap admin token/.test(node(name).out))
            ? true
            : null,
        () => ['n1', 'n2', 'n3'].map((name) => node(name).text).join('\n---\n'),
      )
      const printed = ['n1', 'n2', 'n3'].map((name) => node(name).out).join('\n')
      const tokens = [...printed.matchAll(/^bootstrap admin token: (rwt_bootstrap\.\S+)$/gm)]
      expect(tokens).toHaveLength(1)
      const shown = await type('admin', 'RAFTWAY_TOKEN', {
        'rwt_bootstrap.…': tokens[0]?.[1] ?? '',
      })
      expect(shown).toContain('https://10.0.0.1:7400')
      await votersUp(['n1', 'n2', 'n3'])
      const list = await type('admin', 'token list')
      for (const name of ['bootstrap', 'alice', 'ci']) expect(list).toContain(name)
      // Nobody gets in without.
      const stranger = boxes.box('gw').start('raftway get apis --control https://10.0.0.1:7400')
      expect((await stranger.ended).code).not.toBe(0)
      expect(stranger.out).toBe('')
    })

    test('a gateway serves what was pushed', async () => {
      await type('admin', '--role gateway')
      await type('gw', 'gateway start')
      // The target is on the gateway's box, as a sidecar's is.
      const target =
        "require('http').createServer((q, a) => a.end('from the target')).listen(9000, '127.0.0.1')"
      boxes.box('gw').start(`'${process.execPath}' -e "${target}"`)
      const api =
        '{"kind":"Api","name":"hello","spec":{"routes":[{"path":"/hello"}],"upstream":{"targets":[{"url":"http://127.0.0.1:9000"}]}}}'
      await until(
        async () =>
          (await onAdmin('raftway gateways -o json')).includes('"connected": true') ? true : null,
        () => `a connected gateway: ${node('gw').text.slice(-3_000)}`,
      )
      await onAdmin(`echo '${api}' | raftway apply -f - --wait`)
      expect(await boxes.box('gw').run('curl -sf http://10.0.0.5:8080/hello')).toBe(
        'from the target',
      )
    })

    test('a box is added, votes, and is removed again', async () => {
      await type('admin', '--role node --ttl 1h > n4.token')
      await type('n4', 'server start')
      await votersUp(['n1', 'n2', 'n3', 'n4'])
      await type('admin', 'cluster remove n4')
      const { code } = await node('n4').ended
      expect(code).toBe(7)
      expect(node('n4').text).toMatch(/n4 was removed/)
      await votersUp(['n1', 'n2', 'n3'])
    })

    test('a box is upgraded while the others serve', async () => {
      await type('n1', 'pkill')
      expect((await node('n1').ended).code).toBe(0)
      await type('n1', 'server start')
      await votersUp(['n1', 'n2', 'n3'])
      expect(await type('admin', 'cluster status')).toMatch(/3 of 3 up/)
    })

    test('a backup is restored into another cluster, where tokens stay good', async () => {
      const inspected = await type('admin', 'snapshot save')
      expect(inspected).toMatch(/Api/)
      const before = await status()
      await type('spare', 'snapshot restore')
      const control = '--control https://10.0.0.6:7400'
      const after = await votersUp(['r1'], control)
      expect(after.clusterId).not.toBe(before.clusterId)
      expect(await type('admin', 'get apis')).toContain('hello')
      await boxes.box('spare').end()
    })

    test('a lost majority is given up, and a cluster grows again from what is left', async () => {
      // Boxes 2 and 3 are gone for good.
      for (const name of ['n2', 'n3']) {
        await boxes.box(name).run('pkill -KILL -o -f "server start"')
        await node(name).ended
      }
      await type('n1', 'pkill')
      await node('n1').ended
      await type('n1', 'server recover')
      await votersUp(['n1'])
      expect(await onAdmin('raftway get apis')).toContain('hello')
      await type('admin', '--role node --ttl 1h > again.token')
      await type('n2', 'rm -r /var/lib/raftway')
      await votersUp(['n1', 'n2'])
      // The gateway found the new cluster by itself, and serves on.
      await until(
        async () =>
          (await onAdmin('raftway gateways -o json')).includes('"connected": true') ? true : null,
        () => `the gateway again: ${node('gw').text.slice(-3_000)}`,
      )
      expect(await boxes.box('gw').run('curl -sf http://10.0.0.5:8080/hello')).toBe(
        'from the target',
      )
    })

    test('root lets himself in where every admin token is lost', async () => {
      await type('n2', 'pkill')
      await node('n2').ended
      await type('n2', '--auth off')
      await node('n2').says(/part of a cluster/)
      await votersUp(['n1', 'n2'])
      const token = (await type('n2', 'token create')).trim()
      expect(token).toMatch(/^rwt_rescue\./)
      expect(await onAdmin(`raftway get apis --token ${token}`)).toContain('hello')
    })

    test('every block of the section was typed', () => {
      expect(blocks).toEqual([])
      expect(done.length).toBeGreaterThan(15)
    })
  },
)

/** The shell blocks of the section, each with the box that its fence names. */
function blocksOf(readme: string): Block[] {
  const begin = readme.indexOf('\n## Operating a cluster\n')
  const end = readme.indexOf('\n## ', begin + 1)
  const fences = readme.slice(begin, end).matchAll(/^```sh (\S+)\n([\s\S]*?)^```$/gm)
  return [...fences].map(([, box = '', lines = '']) => ({ box, lines }))
}
