import { describe, expect, test } from 'vitest'
import { compileDiscovery } from '../../../shared/routing/compile-discovery.ts'
import type { ListOptions } from '../../../shared/routing/types.ts'
import { readEndpointList } from '../../../gateway/discovery/endpoint-list.ts'

function options(more: object = {}, port?: number): ListOptions {
  const compiled = compileDiscovery({
    ...(port === undefined ? {} : { port }),
    http: { url: 'http://x', ...more },
  })
  if (compiled?.type !== 'http') throw new Error('another source')
  return compiled.list
}

/** `host:port*weight` of each endpoint, or why there are none. */
function read(document: unknown, more: object = {}, port?: number): string {
  const result = readEndpointList(JSON.stringify(document), options(more, port))
  if (!result.ok) return result.reason
  return result.endpoints.map((one) => `${one.host}:${one.port}*${one.weight}`).join(' ')
}

describe('shapes that registries answer with', () => {
  test.for([
    ['texts', ['10.0.0.1:80', 'b.example:81'], {}, '10.0.0.1:80*1 b.example:81*1'],
    ['urls', ['http://10.0.0.1:80', 'http://[fd00::1]:81/'], {}, '10.0.0.1:80*1 fd00::1:81*1'],
    ['objects', [{ host: 'a', port: 80, weight: 3 }], {}, 'a:80*3'],
    ['numbers as text', [{ host: 'a', port: '80', weight: '2' }], {}, 'a:80*2'],
    ['a nested list', { data: { nodes: ['a:1'] } }, { list: 'data.nodes' }, 'a:1*1'],
    [
      'Consul',
      [{ Service: { Address: '10.0.0.1', Port: 8_080, Weights: { Passing: 4 } } }],
      {
        hostField: 'Service.Address',
        portField: 'Service.Port',
        weightField: 'Service.Weights.Passing',
      },
      '10.0.0.1:8080*4',
    ],
    [
      'Eureka',
      { application: { instance: [{ hostName: 'a', port: { $: 80 } }] } },
      { list: 'application.instance', hostField: 'hostName', portField: 'port.$' },
      'a:80*1',
    ],
    ['host and port in one field', [{ address: 'a:81' }], { hostField: 'address' }, 'a:81*1'],
    ['an empty list', [], {}, ''],
  ] as const)('%s', ([, document, more, expected]) => {
    expect(read(document, more)).toBe(expected)
  })

  test('a port that is missing is that of the definition, or of the scheme', () => {
    expect(read(['a', { host: 'b' }, 'fd00::1'], {}, 9_000)).toBe(
      'a:9000*1 b:9000*1 fd00::1:9000*1',
    )
    expect(read(['a'])).toBe('a:80*1')
  })
})

describe('a list that is no good as a whole', () => {
  test.for([
    [{}, {}, 'no list at ""'],
    [{ a: [] }, { list: 'b' }, 'no list at "b"'],
    [['a:1', 7], {}, 'item 1 has no host and port'],
    [['a:1', { host: 'b', port: 'x' }], {}, 'item 1 has no host and port'],
    [[{ host: 'b', port: 70_000 }], {}, 'item 0 has no host and port'],
    [[{ host: 'b', port: 1, weight: -1 }], {}, 'item 0 has no host and port'],
    [['a:1/path'], {}, 'item 0 has no host and port'],
    [['user:pw@a:1'], {}, 'item 0 has no host and port'],
    [['a b:1'], {}, 'item 0 has no host and port'],
    [Array(1_001).fill('a:1'), {}, 'more than 1000 items (TARGETS_PER_UPSTREAM_MAX)'],
  ] as const)('%j', ([document, more, reason]) => {
    expect(read(document, more)).toBe(reason)
  })

  test('does not tell what stood in it', () => {
    const result = readEndpointList('root:x:0:0:secret', options())
    expect(result).toEqual({ ok: false, reason: 'not JSON' })
  })
})
