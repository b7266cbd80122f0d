import { expect, test } from 'vitest'
import { readNetworkOptions, trustedProxiesOf } from '../../gateway/network-options.ts'
import type { Issue } from '../../shared/errors.ts'
import { TRUSTED_NETWORKS_MAX } from '../../shared/limits.ts'

function issuesOf(options: Parameters<typeof readNetworkOptions>[0]): readonly string[] {
  const issues: Issue[] = []
  readNetworkOptions(options, issues)
  return issues.map(({ path }) => path)
}

test('without options nobody is trusted', () => {
  const settings = readNetworkOptions({}, [])
  expect(settings).toMatchObject({ trustedProxies: [], proxyProtocol: 'off' })
  expect(trustedProxiesOf(settings)).toBeNull()
})

test('every network that is none is named', () => {
  expect(issuesOf({ trustedProxies: ['10.0.0.0/8', '10.0.0.1/8', '::1', 'lb.example'] })).toEqual([
    'trustedProxies.1',
    'trustedProxies.3',
  ])
  const many = Array.from({ length: TRUSTED_NETWORKS_MAX + 1 }, () => '10.0.0.1')
  expect(issuesOf({ trustedProxies: many })).toEqual(['trustedProxies'])
})

test('ports for Streams are ports and ranges of them', () => {
  const { streamPorts } = readNetworkOptions({ streamPorts: ['8443', '5000-5999'] }, [])
  expect(streamPorts).toEqual([
    { from: 8_443, to: 8_443 },
    { from: 5_000, to: 5_999 },
  ])
  for (const wrong of ['0', '65536', '2-1', '1-', 'x', '080', '1-2-3', '']) {
    expect(issuesOf({ streamPorts: [wrong] })).toEqual(['streamPorts.0'])
  }
  expect(issuesOf({ streamHost: 'a b' })).toEqual(['streamHost'])
})

test('PROXY headers need somebody who is believed', () => {
  expect(issuesOf({ proxyProtocol: 'accept' })).toEqual(['proxyProtocol'])
  expect(issuesOf({ proxyProtocol: 'require', trustedProxies: ['10.0.0.1'] })).toEqual([])
})
