import { expect, test } from 'vitest'
import type { Match } from '../../../shared/definitions/api.ts'
import { matchRoute } from '../../../shared/routing/table.ts'
import { request, routes } from './samples.ts'

// The prefix rows are the table of the Kubernetes Gateway API's ReplacePrefixMatch, and ours.
const CASES: readonly (readonly [Match, string, string, string, string])[] = [
  ['prefix', '/foo', '/xyz', '/foo/bar', '/xyz/bar'],
  ['prefix', '/foo', '/xyz/', '/foo/bar', '/xyz/bar'],
  ['prefix', '/foo/', '/xyz', '/foo/bar', '/xyz/bar'],
  ['prefix', '/foo/', '/xyz/', '/foo/bar', '/xyz/bar'],
  ['prefix', '/foo', '/xyz', '/foo', '/xyz'],
  ['prefix', '/foo', '/xyz', '/foo/', '/xyz/'],
  ['prefix', '/foo/', '/xyz/', '/foo', '/xyz'],
  ['prefix', '/foo', '/', '/foo', '/'],
  ['prefix', '/foo', '/', '/foo/', '/'],
  ['prefix', '/foo', '/', '/foo/bar', '/bar'],
  ['prefix', '/foo', '//', '/foo/bar', '/bar'],
  ['prefix', '/', '/xyz', '/foo', '/xyz/foo'],
  ['prefix', '/', '/xyz/', '/', '/xyz/'],
  ['prefix', '/é/', '/x', '/é/y', '/x/y'],
  ['text-prefix', '/foo', '/xyz', '/foobar', '/xyzbar'],
  ['exact', '/foo', '/xyz', '/foo', '/xyz'],
  ['template', '/pets/{id}', '/v2/', '/pets/1', '/v2/1'],
  ['template', '/pets/{id}/toys', '/v2/', '/pets/1/toys', '/v2/1/toys'],
  ['regex', '^/v[0-9]+/', '/', '/v12/x', '/x'],
  ['regex', '^/v[0-9]+$', '/v', '/v12', '/v'],
]

test.each(CASES)('%s %s becoming %s turns %s into %s', (match, path, prefix, from, to) => {
  const route = matchRoute(routes({ path, match, rewrite: { prefix } }), request(from))
  expect(route?.rewritePath(from)).toBe(to)
})

test('a route without rewrite keeps the path', () => {
  const path = '/pets//1?'
  expect(matchRoute(routes({ path: '/pets' }), request('/pets/1'))?.rewritePath(path)).toBe(path)
})
