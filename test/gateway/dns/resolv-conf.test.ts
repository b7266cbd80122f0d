import { expect, test } from 'vitest'
import { parseHosts } from '../../../gateway/dns/hosts-file.ts'
import { namesToAsk, parseResolvConf } from '../../../gateway/dns/resolv-conf.ts'

test('a resolv.conf is read as resolv.conf(5) has it', () => {
  const text = [
    '# a comment',
    'nameserver 10.0.0.2 ; and another',
    '  nameserver\tfe80::1%eth0',
    'nameserver not-an-address',
    'domain one.example',
    'search a.example b.example.',
    'options ndots:2 timeout:3',
    'options attempts:4 rotate edns0',
  ].join('\n')
  expect(parseResolvConf(text)).toEqual({
    servers: [
      { host: '10.0.0.2', port: 53 },
      { host: 'fe80::1%eth0', port: 53 },
    ],
    search: ['a.example', 'b.example'],
    ndots: 2,
    timeoutMs: 3_000,
    attempts: 4,
  })
})

test('what is missing, malformed or too large has its default or bound', () => {
  expect(parseResolvConf('')).toEqual({
    servers: [{ host: '127.0.0.1', port: 53 }],
    search: [],
    ndots: 1,
    timeoutMs: 5_000,
    attempts: 2,
  })
  const wild = parseResolvConf(
    `${'nameserver 10.0.0.1\n'.repeat(9)}options ndots:99 timeout:0 attempts:x`,
  )
  expect(wild.servers).toHaveLength(3)
  expect(wild).toMatchObject({ ndots: 15, timeoutMs: 1_000, attempts: 2 })
})

test.for([
  ['db', ['db.a.example', 'db.b.example', 'db']],
  ['db.prod', ['db.prod.a.example', 'db.prod.b.example', 'db.prod']],
  ['db.prod.x', ['db.prod.x', 'db.prod.x.a.example', 'db.prod.x.b.example']],
  ['db.', ['db']],
] as const)('%s is asked for as %j', ([name, expected]) => {
  const conf = parseResolvConf('search a.example b.example\noptions ndots:2')
  expect(namesToAsk(name, conf)).toEqual(expected)
})

test('a hosts file gives every address of a name, whatever its case', () => {
  const hosts = parseHosts(
    '127.0.0.1 localhost Box.Example # here\n::1 localhost\nnonsense x\n10.0.0.7\tdb db\n10.0.0.8 db',
  )
  expect(hosts.get('localhost')).toEqual(['127.0.0.1', '::1'])
  expect(hosts.get('box.example')).toEqual(['127.0.0.1'])
  expect(hosts.get('db')).toEqual(['10.0.0.7', '10.0.0.8'])
  expect(hosts.has('x')).toBe(false)
})
