import { describe, expect, test } from 'vitest'
import { GROUPS, loadCommands } from '../../cli/command-tree.ts'
import { completeWords } from '../../cli/complete.ts'
import { UsageError } from '../../cli/failures.ts'
import { parseArguments, type CommandTree } from '../../cli/parser.ts'
import { KIND_NAMES } from '../../shared/definitions/kinds.ts'
import { raftway } from './terminal.ts'

const commands = await loadCommands(undefined)
const tree: CommandTree = { commands, groups: GROUPS, version: '9.9.9' }

async function parse(
  line: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, unknown>>> {
  const asked = await parseArguments({ argv: line.split(' '), env }, tree)
  if (asked.type !== 'run') throw new Error(`printed: ${asked.text}`)
  return { command: asked.command.path, ...asked.args }
}

describe('help', () => {
  test.for(commands.map(({ path }) => path))(
    'of "%s" has an example and every option',
    async (path) => {
      const { exit, out, said } = await raftway([...path.split(' '), '--help'])
      expect(exit).toBe(0)
      expect(said).toBe('')
      const command = commands.find((one) => one.path === path)
      expect(out).toContain('Examples:')
      expect(out).toContain(`${command?.examples[0][0].slice(0, 60)}`)
      for (const name of Object.keys(command?.options ?? {})) expect(out).toContain(`--${name}`)
      for (const name of Object.keys(command?.positionals ?? {})) expect(out).toContain(name)
    },
  )

  test.for(Object.keys(GROUPS))(
    'of the group "%s" lists its commands and an example',
    async (group) => {
      const { exit, out } = await raftway([group, '--help'])
      expect(exit).toBe(0)
      expect(out).toContain('Examples:')
      const inGroup = commands.filter(({ path }) => path.startsWith(`${group} `))
      for (const { path } of inGroup) expect(out).toContain(`raftway ${path}`)
    },
  )

  test('of the whole names every command of the contract', async () => {
    const { exit, out } = await raftway(['--help'])
    expect(exit).toBe(0)
    const words = [...out.matchAll(/^ {2}raftway (\w+)/gm)].map((found) => found[1])
    const contract =
      'dev server gateway apply get delete export validate schema diff history rollback explain consumer key plan usage cluster snapshot token secret gateways watch version completion'
    expect(new Set(words)).toEqual(new Set(contract.split(' ')))
    const cluster = commands
      .filter(({ path }) => path.startsWith('cluster '))
      .map(({ usage }) => usage)
    expect(cluster.sort()).toEqual([
      'cluster add <peer>',
      'cluster leader',
      'cluster members',
      'cluster promote <name>',
      'cluster remove <name>',
      'cluster status',
      'cluster transfer-leader [name]',
    ])
  })

  test('goes by -h too, and --version prints the version alone', async () => {
    expect((await raftway(['apply', '-h'])).out).toContain('--prune')
    expect((await raftway(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('what is not understood', () => {
  test.for([
    ['aply', 'unknown command "aply", did you mean "apply"?'],
    ['cluster stat', 'unknown command "stat"'],
    ['cluster satus', 'unknown command "satus", did you mean "cluster status"?'],
    ['apply --dry-rnu', 'unknown option --dry-rnu, did you mean "--dry-run"?'],
    ['apply --fle=x', 'unknown option --fle, did you mean "--file"?'],
    ['export --zzzzzz', 'unknown option --zzzzzz'],
    ['get apis a b', 'unexpected argument "b"'],
    ['get', 'an argument is missing: raftway get <kind> [name]'],
    ['get apsi', 'unknown kind "apsi", did you mean "api"?'],
    ['get unicorns', `unknown kind "unicorns", one of ${KIND_NAMES.join(', ')} is wanted`],
    ['cluster', 'say what of "cluster"'],
    ['apply -m one -m two -f x', '--message is given more than once'],
    ['history --limit many', '--limit must be a whole number'],
    ['get apis -o xml', 'Invalid values'],
    ['apply', 'name a file with -f PATH, or -f - for standard input'],
    ['apply -f /no/such/file.yaml', 'cannot read /no/such/file.yaml'],
    ['apply -f', 'Not enough arguments following'],
    ['server start --api 7400', '--api must be HOST:PORT'],
    [
      'server start --join a:1,b:1,c:1,d:1 --expect 2',
      '--expect 2 is at most half of the 4 addresses of --join: two clusters could form by accident; expect 3 or more',
    ],
    ['gateway start --label x', '--label must be KEY=VALUE, not "x"'],
    ['explain /pets GET', '"/pets" is not a method; the order is METHOD URL'],
    ['explain GET pets', '"pets" is neither an http url nor a path'],
    ['rollback latest', '"latest" is not a revision: a whole number is wanted'],
    ['diff', 'name files with -f, or revisions, but not both'],
    ['dev --nodes 99', '--nodes must be 1 to 7'],
    ['get apis --control ftp://x', '--control must be http://HOST:PORT, not "ftp://x"'],
    ['completion fish', 'there is no completion for "fish"'],
  ] as const)('%s: exit 2 and a reason', async ([line, reason]) => {
    const { exit, out, said } = await raftway(line.split(' '))
    expect(said).toContain(reason)
    expect(said).toMatch(/See: raftway .*--help/)
    expect(exit).toBe(2)
    expect(out).toBe('')
  })

  test('no command at all is refused with a pointer to the help', async () => {
    const { exit, said } = await raftway([])
    expect(exit).toBe(2)
    expect(said).toContain('raftway --help')
  })
})

describe('options', () => {
  test('take their values from the environment, and the command line wins', async () => {
    const env = {
      RAFTWAY_CONTROL: 'http://a:1',
      RAFTWAY_TIMEOUT_MS: '123',
      RAFTWAY_WAIT: 'true',
      RAFTWAY_FILE: 'one.yaml,two.yaml',
      RAFTWAY_MESSAGE: '',
      RAFTWAY_UNRELATED: 'x',
    }
    expect(await parse('apply --control http://b:2', env)).toEqual({
      command: 'apply',
      control: 'http://b:2',
      'timeout-ms': 123,
      wait: true,
      file: ['one.yaml', 'two.yaml'],
      output: 'text',
    })
  })

  test('from the environment are checked like others', async () => {
    await expect(parse('apply', { RAFTWAY_TIMEOUT_MS: 'soon' })).rejects.toThrow(UsageError)
    await expect(parse('apply', { RAFTWAY_OUTPUT: 'xml' })).rejects.toThrow(UsageError)
  })

  test('may repeat where they are lists, in any form', async () => {
    expect((await parse('apply -f a -f - --file=b --file c'))['file']).toEqual(['a', '-', 'b', 'c'])
  })

  test('keep values that look like numbers, options or dashes as they are', async () => {
    expect((await parse('apply -f 12 -m -x'))['message']).toBe('-x')
    expect((await parse('apply -f 12 -m 007'))['message']).toBe('007')
    expect((await parse('get api 007'))['name']).toBe('007')
  })

  test('of server start have the defaults of the contract', async () => {
    expect(await parse('server start')).toEqual({
      command: 'server start',
      'data-dir': './raftway-data',
      api: '127.0.0.1:7400',
      peer: '127.0.0.1:7401',
      join: '',
      'tick-ms': 20,
      'heartbeat-ms': 60,
      'election-ms': 300,
      'heal-corrupt': 'on',
      'disk-reserve': '64MiB',
      'scrub-rate': '2MiB',
      'remove-dead-min': 3,
      'log-level': 'info',
    })
    const given = await parse(
      'server start --name n1 --join a:1,b:2 --expect 3 --advertise-api http://h:1',
    )
    expect(given).toMatchObject({
      name: 'n1',
      join: 'a:1,b:2',
      expect: 3,
      'advertise-api': 'http://h:1',
    })
  })

  test('of gateway start have the defaults of the contract', async () => {
    expect(await parse('gateway start --label zone=a --label rack=7')).toMatchObject({
      http: '0.0.0.0:8080',
      status: '127.0.0.1:8081',
      label: ['zone=a', 'rack=7'],
      'drain-ms': 30_000,
      'client-head-ms': 30_000,
      'client-body-rate': 128,
      'client-connections': 32_768,
      'client-target-bytes': 8_192,
    })
  })

  test('that take a value take one in every command that has them', () => {
    const kinds = new Map<string, string>()
    for (const { options, path } of commands) {
      for (const [name, { type }] of Object.entries(options)) {
        const takesValue = type === 'boolean' ? 'no' : 'yes'
        expect(kinds.get(name) ?? takesValue, `${path} --${name}`).toBe(takesValue)
        kinds.set(name, takesValue)
      }
    }
  })
})

describe('completion', () => {
  const complete = (line: string): readonly string[] => completeWords(line.split(' '), commands)

  test.for([
    ['clu', ['cluster']],
    ['cluster s', ['cluster status'.split(' ')[1]]],
    ['apply --dr', ['--dry-run']],
    [
      'get ',
      [
        'upstream',
        'api',
        'stream',
        'plan',
        'consumer',
        'secret',
        'certificate',
        'token',
        'revocation',
      ],
    ],
    ['get api ', []],
    ['apply -o ', ['text', 'json']],
    ['apply -f ', []],
    ['dev --ports a', ['auto']],
  ] as const)('of "%s"', ([line, expected]) => {
    expect(complete(line)).toEqual(expected)
  })

  test('is asked for by the scripts that it prints', async () => {
    const bash = await raftway(['completion', 'bash'])
    expect(bash.out).toContain('complete -o bashdefault')
    expect((await raftway(['completion'], { env: { SHELL: '/bin/zsh' } })).out).toContain('compdef')
    const { exit, out } = await raftway(['--get-completions', 'cluster', 't'])
    expect({ exit, out }).toEqual({ exit: 0, out: 'transfer-leader\n' })
  })
})
