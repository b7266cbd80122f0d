/**
 * Goal: addresses that may call, and that may not, decided on the address of the client as trusted proxies tell it.
 * Method: the test is the trusted proxy; comparisons are counted, not timed.
 */
import { expect, test } from 'vitest'
import { Networks } from '../../../shared/addresses/networks.ts'
import { parseAddress } from '../../../shared/addresses/ip-address.ts'
import { golden, pluginBench, proxiedBench } from './support.ts'

const from = (address: string): string => `X-Forwarded-For: ${address}`

test('only addresses of the allowed networks pass, to the last one of each', async () => {
  const bench = await proxiedBench({ 'ip-allow': { networks: ['10.1.0.0/16', '2001:db8::7'] } })
  const wanted: [string, number, string | null][] = [
    ['10.1.0.0', 200, null],
    ['10.1.255.255', 200, null],
    ['10.0.255.255', 403, 'ACCESS_DENIED'],
    ['10.2.0.0', 403, 'ACCESS_DENIED'],
    ['2001:db8::7', 200, null],
    ['2001:db8::8', 403, 'ACCESS_DENIED'],
    ['::ffff:10.1.2.3', 200, null],
  ]
  for (const [address, status, code] of wanted) {
    const answer = await bench.get(from(address))
    expect([address, answer.status, answer.code]).toEqual([address, status, code])
  }
  expect(golden(bench.reached[0])).toBe(`GET / HTTP/1.1
Host: shop.example
X-Forwarded-For: 10.1.0.0, 127.0.0.1
X-Forwarded-Proto: http
X-Forwarded-Host: shop.example
X-Forwarded-Port: *
X-Request-Id: *
Via: 1.1 raftway

`)
})

test('addresses of denied networks do not pass, whatever is allowed beside them', async () => {
  const bench = await proxiedBench({
    'ip-allow': { networks: ['10.0.0.0/8'] },
    'ip-deny': { networks: ['10.0.0.5', '10.9.0.0/16'] },
  })
  expect((await bench.get(from('10.0.0.4'))).status).toBe(200)
  expect((await bench.get(from('10.0.0.5'))).status).toBe(403)
  expect((await bench.get(from('10.9.1.1'))).status).toBe(403)
  expect((await bench.get(from('11.0.0.1'))).status).toBe(403)
})

test('the address that a client that is no trusted proxy names does not count', async () => {
  const bench = await pluginBench({ 'ip-allow': { networks: ['10.0.0.0/8'] } })
  expect((await bench.get(from('10.0.0.1'))).status).toBe(403)
})

test('an address is compared with 14 of 10,000 networks at most', () => {
  const apart = Array.from({ length: 10_000 }, (_, at) => `10.${at >> 8}.${at & 255}.0/25`)
  const networks = new Networks(apart)
  for (const text of ['10.0.0.1', '10.39.15.127', '10.20.1.128', '9.9.9.9', '200.1.1.1']) {
    const address = parseAddress(text)
    let reads = 0
    const counted = new Proxy(address ?? new Uint8Array(), {
      get(target, name) {
        if (name === '0') reads += 1
        return Reflect.get(target, name, target) as unknown
      },
    })
    expect(networks.has(counted)).toBe(
      apart.includes(text.replace(/\d+$/, '0/25')) && !text.endsWith('128'),
    )
    // Each comparison with one end of a network begins with the first byte; a network has two ends.
    expect(reads).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(10_000 + 1)))
    expect(reads).toBeGreaterThan(0)
  }
})
