import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MATCHES } from '../../shared/definitions/api.ts'
import { ROUTES_PER_API_MAX } from '../../shared/limits.ts'
import { raftway } from './terminal.ts'

const FOLDER = join(import.meta.dirname, '../../examples')
// What is imported is tried in consumers.test.ts.
const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'))

test.for(files)('%s is valid by itself', async (file) => {
  const { exit, out, said } = await raftway(['validate', '-f', join(FOLDER, file)])
  expect(said).toBe('')
  expect(out).toMatch(/^\d+ definitions with \d+ routes are valid\n$/)
  expect(exit).toBe(0)
})

test('all of them are valid together', async () => {
  const { exit, out } = await raftway(['validate', '-f', FOLDER, '-o', 'json'])
  expect(JSON.parse(out)).toMatchObject({ valid: true, issues: [] })
  expect(exit).toBe(0)
})

describe('explain without a cluster', () => {
  const explain = (...words: readonly string[]) => raftway(['explain', ...words, '-f', FOLDER])

  test.for([
    [['GET', 'http://api.example.com/pets/7'], 'Api/petstore route 0', 'Upstream/pets as /v2/7'],
    [['GET', 'http://API.example.com:8080/owners/1'], 'Api/petstore route 1', 'as /owners/1'],
    [['GET', 'http://cart.example.com/cart/'], 'Api/cart route 1', 'Upstream/cart-stable'],
    [
      ['get', 'http://cart.example.com/cart/', '-H', 'X-Canary: yes'],
      'Api/cart route 0',
      'Upstream/cart-canary',
    ],
    [['GET', '/cart/', '-H', 'host: cart.example.com'], 'Api/cart route 1', 'as /cart/'],
    [['GET', 'http://shop.example.com/orders/7/items'], 'Api/shop route 1', 'as /orders/7/items'],
    [['GET', 'http://eu.shop.example.com/files/a/b'], 'Api/shop route 2', 'as /static/a/b'],
    [['GET', 'http://shop.example.com/v2/products/1'], 'Api/shop route 3', 'Upstream/shop'],
    [['GET', 'http://shop.example.com/searching?q=x'], 'Api/shop route 4', 'as /searching'],
    [['GET', 'http://shop.example.com/searching'], 'Api/shop route 5', 'Upstream/shop'],
    [
      ['POST', 'http://a.partners.example.com/orders/', '-H', 'x-partner: abc-1'],
      'Api/shop-partners route 1',
      'Api/shop-partners',
    ],
  ] as const)('%j', async ([words, route, goes]) => {
    const { exit, out, said } = await explain(...words)
    expect(said).toBe('')
    expect(out).toContain(`→ ${route}`)
    expect(out).toContain(goes)
    expect(exit).toBe(0)
  })

  test.for([
    [
      'tls://shop.example.com:8443',
      'Stream/shop-tls: shop.example.com on port 8443',
      'less specific',
    ],
    ['tls://a.SHOP.test:8443', 'Stream/shop-tls: .shop.test on port 8443', 'Stream/rest-tls'],
    ['tcp://any:8443', 'Stream/rest-tls: * on port 8443', 'no name is asked for'],
    ['tcp://127.0.0.1:5432', 'Stream/database: * on port 5432', 'goes to Upstream/database'],
  ] as const)('connection %s', async ([url, stream, more]) => {
    const { exit, out, said } = await explain('CONNECT', url)
    expect(said).toBe('')
    expect(out).toContain(`→ ${stream}`)
    expect(out).toContain(more)
    expect(exit).toBe(0)
  })

  test('says that no Stream takes a connection', async () => {
    const { exit, out } = await explain('CONNECT', 'tcp://x:1')
    expect(out).toContain('no Stream matches')
    expect(exit).toBe(5)
  })

  test('says why nothing matches, and exits 5', async () => {
    const { exit, out } = await explain('POST', 'http://api.example.com/owners/1')
    expect(out).toContain('no route matches: a gateway answers 404 NOT_FOUND')
    expect(out).toContain('method POST is not GET or HEAD')
    expect(exit).toBe(5)
  })

  test('prints the decision alone as JSON', async () => {
    const { out } = await explain('GET', 'http://cart.example.com/cart/', '-o', 'json')
    expect(JSON.parse(out)).toMatchObject({
      matched: { api: 'cart', route: 1 },
      candidates: [{ api: 'cart', route: 0, reason: expect.stringContaining('x-canary') }],
    })
  })
})

describe('validate', () => {
  test('finds what only shows in company, with its place, and exits 8', async () => {
    const stdin =
      'kind: Api\nname: x\nspec:\n  routes:\n    - path: /b\n    - path: /b\n  upstream: nope\n'
    const { exit, out, said } = await raftway(['validate', '-f', '-'], { stdin })
    expect(exit).toBe(8)
    expect(out).toBe('')
    expect(said).toContain('<stdin>:7:3: spec.upstream: no Upstream "nope"')
    expect(said).toContain('<stdin>:6:7: spec.routes.1: ')
    expect(said).toContain('2 issues in the input; nothing was changed')
  })

  test('prints issues as JSON on stdout and nothing else', async () => {
    const { exit, out, said } = await raftway(['validate', '-f', '-', '-o', 'json'], {
      stdin: 'kind: Apj\n',
    })
    expect({ exit, said }).toEqual({ exit: 8, said: '' })
    const { valid, issues } = JSON.parse(out) as { valid: boolean; issues: { place: string }[] }
    expect(valid).toBe(false)
    expect(issues[0]?.place).toBe('<stdin>:1:1')
  })
})

describe('schema', () => {
  test('lists the kinds', async () => {
    const { out } = await raftway(['schema'])
    expect(out).toMatch(/^KIND +PLURAL +WHAT IT IS\nUpstream +upstreams /)
  })

  test('of a kind is JSON Schema that knows its fields and bounds', async () => {
    const { out } = await raftway(['schema', 'apis'])
    expect(JSON.parse(out)).toMatchObject({
      required: ['kind', 'name', 'spec'],
      additionalProperties: false,
      properties: {
        kind: { const: 'Api' },
        spec: {
          properties: {
            routes: {
              maxItems: ROUTES_PER_API_MAX,
              items: {
                properties: {
                  match: { enum: [...MATCHES] },
                  path: { description: expect.stringContaining('/pets/{id}/toys') },
                },
              },
            },
          },
        },
      },
    })
  })

  test('of all kinds is one schema', async () => {
    const { out } = await raftway(['schema', '-o', 'json'])
    const schema = JSON.parse(out) as { oneOf: { title: string }[] }
    expect(schema.oneOf.map(({ title }) => title)).toEqual([
      'Upstream',
      'Api',
      'Stream',
      'Plan',
      'Consumer',
      'Secret',
      'Certificate',
      'Token',
      'Revocation',
    ])
  })
})
