// Goal: the first write after a change of leadership is as quick as the next. Method: schemas compile themselves by
// making functions out of text, which is counted. The order within this file matters to nobody: there is one test.
import { expect, test, vi } from 'vitest'
import { warmUp } from '../../../control-plane/node/warm-up.ts'
import { parseDefinition } from '../../../shared/definitions/parse.ts'

test('what the schemas of a usual definition have to compile is compiled before the node takes part', () => {
  let compiled = 0
  const Original = Function
  const counting = new Proxy(Original, {
    construct(target, args: string[]) {
      compiled++
      return Reflect.construct(target, args) as object
    },
  })
  vi.stubGlobal('Function', counting)
  try {
    warmUp()
    expect(compiled).toBeGreaterThan(0)
    compiled = 0
    const targets = [{ url: 'http://127.0.0.1:9' }, { url: 'http://127.0.0.1:10', weight: 2 }]
    const routes = [{ path: '/a', methods: ['GET', 'POST'], rewrite: { prefix: '/b' } }]
    const spec = { hosts: ['a.example.com'], routes, upstream: { targets } }
    const api = parseDefinition({ kind: 'Api', name: 'a', labels: { team: 'a' }, spec })
    const upstream = parseDefinition({ kind: 'Upstream', name: 'u', spec: { targets } })
    expect([api.ok, upstream.ok]).toEqual([true, true])
    expect(compiled).toBe(0)
  } finally {
    vi.unstubAllGlobals()
  }
})
