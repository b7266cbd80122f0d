import { expect, test } from 'vitest'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { compileTable } from '../../../shared/routing/table.ts'
import { Verdicts } from '../../../gateway/plugins/verdicts.ts'
import { golden, pluginBench } from './support.ts'

const DENY = { deny: ['BadBot', { regex: '(?i)^curl/[0-6]\\.' }], allow: ['GoodBadBot'] }

test.each([
  ['Mozilla/5.0', 200],
  ['x badbot/2', 403],
  ['x GoodBadBot/2', 200],
  ['curl/6.9', 403],
  ['CURL/6.9', 403],
  ['curl/7.0', 200],
  ['a curl/6.9', 200],
  ['', 200],
])('%j gives %i, also when it comes again', async (agent, status) => {
  const bench = await pluginBench({ 'bot-deny': DENY })
  for (let time = 0; time < 2; time++) {
    const answer = await bench.get(`User-Agent: ${agent}`)
    expect([answer.status, answer.code]).toEqual([status, status === 200 ? null : 'BOT_DENIED'])
  }
})

test('what passes reaches the target as it came', async () => {
  const bench = await pluginBench({ 'bot-deny': DENY })
  await bench.get('User-Agent: good/1')
  expect(golden(bench.reached[0])).toContain(
    'Host: shop.example\nUser-Agent: good/1\nX-Forwarded-For',
  )
})

test('requests without a user agent, and the status, are as the options say', async () => {
  const bench = await pluginBench({ 'bot-deny': { deny: ['x'], missing: 'deny', status: 418 } })
  const answer = await bench.get()
  expect([answer.status, answer.code]).toEqual([418, 'BOT_DENIED'])
  expect((await bench.get('User-Agent: X')).status).toBe(418)
  expect((await bench.get('User-Agent: y')).status).toBe(200)
})

test('an agent that is too long to be remembered is judged all the same', async () => {
  const bench = await pluginBench({ 'bot-deny': DENY })
  expect((await bench.get(`User-Agent: ${'a'.repeat(2_000)}badbot`)).status).toBe(403)
  expect((await bench.get(`User-Agent: ${'a'.repeat(2_000)}`)).status).toBe(200)
})

test('more agents than are remembered are judged one by one', async () => {
  const asked: string[] = []
  const verdicts = new Verdicts((text) => asked.push(text) > 0)
  for (let at = 0; at < 1_001; at++) verdicts.of(`a${at}`)
  expect(asked).toHaveLength(1_001)
  verdicts.of('a1000')
  expect(asked).toHaveLength(1_001)
  verdicts.of('a0')
  expect(asked).toHaveLength(1_002)
})

test('an expression that RE2 does not know is refused with the definition, with its path', () => {
  const definition: Definition = {
    kind: 'Api',
    name: 'a',
    revision: 1,
    createdRevision: 1,
    spec: {
      upstream: { targets: [{ url: 'http://127.0.0.1:1' }] },
      plugins: { 'bot-deny': { deny: ['x', { regex: '(?=x)' }] } },
      routes: [{ path: '/', plugins: { cors: { origins: [{ regex: '(' }] } } }],
    },
  }
  const result = compileTable([definition])
  expect(result.ok ? [] : result.issues.map(({ path }) => path)).toEqual([
    'spec.plugins.bot-deny.deny.1.regex',
    'spec.routes.0.plugins.cors.origins.0.regex',
  ])
})
