import { describe, expect, test } from 'vitest'
import { clientBehind, type ClientField } from '../../../gateway/addresses/forwarded.ts'
import { Networks } from '../../../shared/addresses/networks.ts'
import { FORWARDED_HOPS_MAX } from '../../../shared/limits.ts'

const TRUSTED = new Networks(['10.0.0.0/8', '2001:db8:ffff::/48'])

function client(field: ClientField, value: string): string {
  return clientBehind('10.0.0.1', { field, value }, TRUSTED)
}

describe('X-Forwarded-For', () => {
  test.each([
    ['203.0.113.5', '203.0.113.5'],
    ['203.0.113.5, 10.0.0.9, 10.0.0.2', '203.0.113.5'],
    // What stands before the first that is not trusted, a client can have written.
    ['198.51.100.1, 203.0.113.5, 10.0.0.2', '203.0.113.5'],
    ['10.0.0.8, 203.0.113.5', '203.0.113.5'],
    ['203.0.113.5:4711', '203.0.113.5'],
    ['[2001:db8::5]:4711,10.0.0.2', '2001:db8::5'],
    ['2001:DB8::5', '2001:db8::5'],
    ['::ffff:203.0.113.5', '203.0.113.5'],
    // All of them trusted: whoever began.
    ['10.0.0.7, 10.0.0.2', '10.0.0.7'],
    // What cannot be read ends it.
    ['203.0.113.5, unknown', '10.0.0.1'],
    ['203.0.113.5, , 10.0.0.2', '10.0.0.2'],
    ['', '10.0.0.1'],
    ['203.0.113.5x', '10.0.0.1'],
    ['203.0.113.5:99999999', '10.0.0.1'],
  ])('%j is %s', (value, wanted) => {
    expect(client('x-forwarded-for', value)).toBe(wanted)
  })

  test('is not followed for ever', () => {
    const hops = Array.from({ length: FORWARDED_HOPS_MAX }, (_, at) => `10.0.1.${at}`)
    expect(client('x-forwarded-for', ['203.0.113.5', ...hops].join())).toBe('10.0.1.0')
    expect(client('x-forwarded-for', ['203.0.113.5', ...hops.slice(1)].join())).toBe('203.0.113.5')
  })
})

describe('Forwarded', () => {
  test.each([
    ['for=192.0.2.60;proto=http;by=203.0.113.43', '192.0.2.60'],
    ['For="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17'],
    ['for=192.0.2.43, for="[2001:db8:ffff::1]"', '192.0.2.43'],
    ['for=192.0.2.43,for=198.51.100.17;by=10.0.0.1;proto=http;host=example.com', '198.51.100.17'],
    ['for="192.0.2.4\\3"', '192.0.2.43'],
    ['host="a,b;for=1.2.3.4";for=192.0.2.43', '192.0.2.43'],
    [' , for=192.0.2.43 ,', '192.0.2.43'],
    ['for=unknown', '10.0.0.1'],
    ['for=192.0.2.43, for=_hidden', '10.0.0.1'],
    ['for=192.0.2.43, proto=http', '10.0.0.1'],
    ['for=192.0.2.43;for=192.0.2.44', '10.0.0.1'],
    ['for="192.0.2.43', '10.0.0.1'],
    ['for = 192.0.2.43', '10.0.0.1'],
    ['192.0.2.43', '10.0.0.1'],
  ])('%j is %s', (value, wanted) => {
    expect(client('forwarded', value)).toBe(wanted)
  })
})
