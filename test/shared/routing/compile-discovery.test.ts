import { expect, test } from 'vitest'
import { compileDiscovery, discoveredTarget } from '../../../shared/routing/compile-discovery.ts'

test.for([
  [{ host: '10.0.0.1', port: 80, name: 'db.example' }, false, 'http://10.0.0.1', 'db.example'],
  [{ host: '10.0.0.1', port: 9_000, name: null }, false, 'http://10.0.0.1:9000', '10.0.0.1:9000'],
  [{ host: 'fd00::1', port: 443, name: 'db.example' }, true, 'https://[fd00::1]', 'db.example'],
  [{ host: 'fd00::1', port: 80, name: null }, true, 'https://[fd00::1]:80', '[fd00::1]:80'],
] as const)('what was found as %j', ([found, isTls, origin, authority]) => {
  const target = discoveredTarget({ ...found, weight: 3 }, isTls)
  // Connected to by its address, known by its name: what TLS verifies, and what a Host of its own says.
  expect(target).toEqual({
    origin,
    isTls,
    host: found.host,
    port: found.port,
    serverName: found.name ?? found.host,
    authority,
    weight: 3,
  })
})

test('options have their defaults', () => {
  expect(compileDiscovery(undefined)).toBeNull()
  expect(compileDiscovery({ scheme: 'https', dns: { name: 'a' } })).toEqual({
    type: 'dns',
    isTls: true,
    portDefault: 443,
    ttlMsMin: 1_000,
    name: 'a',
    isService: false,
    server: null,
    family: 'any',
  })
  expect(compileDiscovery({ dns: { name: 'a', server: '[fd00::1]:8600' } })).toMatchObject({
    server: { host: 'fd00::1', port: 8_600 },
  })
  expect(compileDiscovery({ port: 9, file: { path: '/x', list: 'a.b' } })).toEqual({
    type: 'file',
    isTls: false,
    portDefault: 9,
    ttlMsMin: 1_000,
    path: '/x',
    list: { list: ['a', 'b'], host: ['host'], port: ['port'], weight: ['weight'], portDefault: 9 },
  })
})
