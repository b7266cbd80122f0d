import { expect, test } from 'vitest'
import { golden, pluginBench } from './support.ts'

const REFERERS = ['https://*.example.com/*', 'https://shop.example/cart']

test.each([
  ['Referer: https://app.example.com/a?b', 200],
  ['Referer: https://APP.example.com/', 200],
  ['Referer: https://shop.example/cart', 200],
  ['Referer: https://shop.example/cart/2', 403],
  ['Referer: https://example.com/', 403],
  ['Referer: http://app.example.com/', 403],
  ['Referer: https://evil.example/https://app.example.com/', 403],
  ['Origin: https://app.example.com', 200],
  ['Origin: https://shop.example', 200],
  ['Origin: https://evil.example', 403],
  ['Referer: ', 403],
  ['X-None: 1', 403],
])('%s gives %i', async (field, status) => {
  const bench = await pluginBench({ 'referer-allow': { referers: REFERERS } })
  const answer = await bench.get(field)
  expect([answer.status, answer.code]).toEqual([status, status === 200 ? null : 'ACCESS_DENIED'])
})

test('a referer that does not fit is made good by an origin that does', async () => {
  const bench = await pluginBench({ 'referer-allow': { referers: REFERERS } })
  const fields = ['Referer: https://evil.example/', 'Origin: https://app.example.com']
  expect((await bench.get(...fields)).status).toBe(200)
  expect(golden(bench.reached[0])).toContain(`${fields.join('\n')}\n`)
})

test('requests that say nothing may be let in', async () => {
  const bench = await pluginBench({ 'referer-allow': { referers: REFERERS, missing: 'allow' } })
  expect((await bench.get()).status).toBe(200)
  expect((await bench.get('Referer: https://evil.example/')).status).toBe(403)
  expect((await bench.get('Origin: null')).status).toBe(403)
})
