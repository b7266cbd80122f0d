import * as fc from 'fast-check'
import { BlockList } from 'node:net'
import { expect, test } from 'vitest'
import { formatAddress } from '../../../shared/addresses/ip-address.ts'
import { isNetwork, Networks } from '../../../shared/addresses/networks.ts'

test('networks hold what their prefix says, and nothing of the other family', () => {
  const networks = new Networks(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1'])
  const inside = ['10.0.0.0', '10.255.255.255', '192.0.2.7', '::ffff:10.1.2.3', '2001:db8::1']
  for (const text of [...inside, '::1'])
    expect([text, networks.hasText(text)]).toEqual([text, true])
  const outside = [
    '11.0.0.0',
    '9.255.255.255',
    '192.0.2.8',
    '2001:db9::',
    '::2',
    '::a00:1',
    'x',
    '',
  ]
  for (const text of outside) expect([text, networks.hasText(text)]).toEqual([text, false])
})

test('all of IPv6 is nothing of IPv4, and a mapped network is an IPv4 network', () => {
  expect(new Networks(['::/0']).hasText('::ffff:10.0.0.1')).toBe(false)
  const mapped = new Networks(['::ffff:10.0.0.0/104'])
  expect([mapped.hasText('10.9.9.9'), mapped.hasText('11.0.0.1')]).toEqual([true, false])
})

test('the zone of a link-local address does not matter', () => {
  expect(new Networks(['fe80::/10']).hasText('fe80::1%eth0')).toBe(true)
})

test.each(['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '::/129', '10.0.0/8', '*', ''])(
  '%j is no network',
  (text) => {
    expect(isNetwork(text)).toBe(false)
  },
)

test('agrees with a list that is looked through, whatever overlaps', () => {
  const byte = fc.constantFrom(0, 1, 127, 128, 254, 255)
  const address = fc.oneof(
    fc.array(byte, { minLength: 4, maxLength: 4 }),
    // Not mapped: those are IPv4.
    fc.array(byte, { minLength: 15, maxLength: 15 }).map((rest) => [0x20, ...rest]),
  )
  const network = fc.tuple(address, fc.nat(128)).map(([bytes, length]) => {
    // Node takes `::/0` for IPv4, too.
    const prefix = Math.max(bytes.length === 4 ? 0 : 8, length % (8 * bytes.length + 1))
    const masked = bytes.map((value, at) => {
      const bits = Math.min(8, Math.max(0, prefix - 8 * at))
      return value & ~(0xff >> bits) & 0xff
    })
    return { text: formatAddress(Uint8Array.from(masked)), prefix, isV4: bytes.length === 4 }
  })
  fc.assert(
    fc.property(fc.array(network, { maxLength: 8 }), address, (list, bytes) => {
      const dumb = new BlockList()
      for (const { text, prefix, isV4 } of list)
        dumb.addSubnet(text, prefix, isV4 ? 'ipv4' : 'ipv6')
      const networks = new Networks(list.map(({ text, prefix }) => `${text}/${prefix}`))
      const asked = formatAddress(Uint8Array.from(bytes))
      const wanted = dumb.check(asked, bytes.length === 4 ? 'ipv4' : 'ipv6')
      expect(networks.hasText(asked)).toBe(wanted)
    }),
    { numRuns: 500 },
  )
})
