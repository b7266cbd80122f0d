import { expect, test } from 'vitest'
import { KIND_NAMES, kindOf, KINDS } from '../../../shared/definitions/kinds.ts'
import { parseDefinition, withRevision } from '../../../shared/definitions/parse.ts'
import {
  DEFINITION_BYTES_MAX,
  HOSTS_PER_API_MAX,
  ROUTES_PER_API_MAX,
} from '../../../shared/limits.ts'

const TARGETS = [{ url: 'http://127.0.0.1:9001' }]

function api(spec: unknown, more: object = {}): unknown {
  return { kind: 'Api', name: 'a', spec, ...more }
}

function route(more: object): unknown {
  return api({ routes: [{ path: '/', ...more }], upstream: 'u' })
}

function upstream(spec: object): unknown {
  return { kind: 'Upstream', name: 'u', spec: { targets: TARGETS, ...spec } }
}

/** `path: message` of every issue; empty when the input is good. */
function issuesOf(input: unknown, at?: string): string[] {
  const result = parseDefinition(input, at)
  return result.ok ? [] : result.issues.map(({ path, message }) => `${path}: ${message}`)
}

test('a definition that uses every field is taken as it is', () => {
  const full = {
    kind: 'Api',
    name: 'pet.store-1',
    labels: { team: 'pets', 'a/b.c': '' },
    spec: {
      hosts: ['a.example.com', '.example.com', '*.example.com', 'localhost', '127.0.0.1'],
      routes: [
        {
          path: '/pets/',
          match: 'prefix',
          methods: ['GET', 'M-SEARCH'],
          headers: { 'X-A': '1', 'X-B': { prefix: 'a' }, 'X-C': { regex: '^a' } },
          query: { q: { present: false }, r: '' },
          priority: -5,
          rewrite: { prefix: '/v2/' },
          upstream: { targets: [{ url: 'https://[::1]:9', weight: 0 }] },
          plugins: { 'key-auth': { header: 'X-Key', query: 'key' }, authentication: false },
        },
      ],
      upstream: 'cart',
      plugins: {},
    },
  }
  const result = parseDefinition(full)
  expect(result.ok && result.value).toEqual(full)
})

test('the result is canonical and shares nothing with the input', () => {
  const input = {
    spec: { targets: TARGETS },
    name: 'u',
    kind: 'Upstream',
    labels: { b: '', a: '' },
  }
  const result = parseDefinition(input)
  if (!result.ok) throw new Error('is good')
  expect(JSON.stringify(result.value)).toBe(
    '{"kind":"Upstream","name":"u","labels":{"a":"","b":""},"spec":{"targets":[{"url":"http://127.0.0.1:9001"}]}}',
  )
  TARGETS.push({ url: 'http://other' })
  expect(result.value.spec).toEqual({ targets: [{ url: 'http://127.0.0.1:9001' }] })
  TARGETS.pop()
})

test('numbers of an export are ignored, and given anew', () => {
  const result = parseDefinition(
    api({ routes: [{ path: '/' }] }, { revision: 9, createdRevision: 8 }),
  )
  if (!result.ok) throw new Error('is good')
  expect(Object.keys(result.value)).toEqual(['kind', 'name', 'spec'])
  const definition = withRevision(result.value, { revision: 3, createdRevision: 2 })
  expect(JSON.stringify(definition)).toBe(
    '{"kind":"Api","name":"a","spec":{"routes":[{"path":"/"}]},"revision":3,"createdRevision":2}',
  )
})

test.each<[string, unknown, string[]]>([
  ['null', null, [': must be an object with kind, name and spec']],
  ['a list', [], [': must be an object with kind, name and spec']],
  ['a text', 'x', [': must be an object with kind, name and spec']],
  [
    'nothing at all',
    {},
    [
      'kind: must be one of Upstream, Api, Stream, Plan, Consumer, Secret, Certificate, Token, Revocation',
      expect.stringMatching(/^name: /) as string,
    ],
  ],
  [
    'an unknown kind',
    { kind: 'api', name: 'a', spec: {} },
    [
      'kind: must be one of Upstream, Api, Stream, Plan, Consumer, Secret, Certificate, Token, Revocation; did you mean "Api"?',
    ],
  ],
  [
    'a misspelt member',
    { kind: 'Upstream', name: 'u', sepc: {}, spec: { targets: TARGETS } },
    ['sepc: unknown field, did you mean "spec"?'],
  ],
  [
    'a misspelt field deep inside',
    route({ pth: 1 }),
    ['spec.routes.0.pth: unknown field, did you mean "path"?'],
  ],
  [
    'a misspelt field in an inline upstream',
    api({ routes: [{ path: '/' }], upstream: { targets: TARGETS, blance: 'x' } }),
    ['spec.upstream.blance: unknown field, did you mean "balance"?'],
  ],
  ['no routes', api({}), ['spec.routes: is required']],
  [
    'a rewrite without slash',
    route({ rewrite: { prefix: 'x' } }),
    ['spec.routes.0.rewrite.prefix: must begin with "/"'],
  ],
  [
    'a method in lower case',
    route({ methods: ['get'] }),
    ['spec.routes.0.methods.0: must be a method in upper case, such as GET'],
  ],
  [
    'a host with a port',
    api({ hosts: ['a.example:80'], routes: [{ path: '/' }] }),
    [
      'spec.hosts.0: must be a host name, ".x" for x and everything below, or "*.x" for only below; no port',
    ],
  ],
])('%s is refused where it is wrong', (_, input, issues) => {
  expect(issuesOf(input)).toEqual(issues)
})

test.each([
  'ftp://x',
  'http://',
  'http://x/path',
  'http://x?q',
  'http://x#f',
  'http://u:p@x',
  'x:80',
  'http://x:99999',
])('a target cannot be %s', (url) => {
  expect(issuesOf(upstream({ targets: [{ url }] }))).toEqual([
    'spec.targets.0.url: must be http:// or https://, a host and an optional port, or tcp://, a host and a port, and nothing else',
  ])
})

test.each(['', 'A', '-a', 'a-', 'a_b', 'a/b', 'x'.repeat(64), 'ä'])(
  'a name cannot be "%s"',
  (name) => {
    expect(issuesOf({ kind: 'Upstream', name, spec: { targets: TARGETS } })).toHaveLength(1)
  },
)

test('every issue is reported at once, below the place that the caller names', () => {
  const input = {
    kind: 'Api',
    name: 'A',
    labels: { 'bad key': 1 },
    spec: { hosts: [], routes: [{ path: '', priority: 0.5 }], x: 1 },
  }
  const paths = issuesOf(input, 'operations.3').map((line) => line.split(': ')[0])
  expect(paths).toEqual(
    expect.arrayContaining([
      'operations.3.name',
      'operations.3.spec.hosts',
      'operations.3.spec.routes.0.path',
      'operations.3.spec.routes.0.priority',
      'operations.3.spec.x',
    ]),
  )
  expect(paths.some((path) => path?.startsWith('operations.3.labels'))).toBe(true)
})

test('bounds hold at the bound and break one beyond it', () => {
  const routes = (count: number) => Array.from({ length: count }, (_, at) => ({ path: `/${at}` }))
  const hosts = (count: number) => Array.from({ length: count }, (_, at) => `h${at}`)
  expect(
    issuesOf(api({ routes: routes(ROUTES_PER_API_MAX), hosts: hosts(HOSTS_PER_API_MAX) })),
  ).toEqual([])
  expect(issuesOf(api({ routes: routes(ROUTES_PER_API_MAX + 1) }))).toHaveLength(1)
  expect(issuesOf(api({ routes: routes(1), hosts: hosts(HOSTS_PER_API_MAX + 1) }))).toHaveLength(1)
  const long = 'y'.repeat(DEFINITION_BYTES_MAX / ROUTES_PER_API_MAX / 2)
  const large = Array.from({ length: ROUTES_PER_API_MAX }, (_, at) => ({
    path: `/${at}${long}`,
    rewrite: { prefix: `/${long}` },
  }))
  expect(issuesOf(api({ routes: large }))).toEqual([
    `: larger than ${DEFINITION_BYTES_MAX} bytes (DEFINITION_BYTES_MAX)`,
  ])
})

test('a kind is known by its name in any case and by its plural', () => {
  for (const kind of KIND_NAMES) {
    expect(kindOf(kind)).toBe(kind)
    expect(kindOf(kind.toUpperCase())).toBe(kind)
    expect(kindOf(KINDS[kind].plural)).toBe(kind)
  }
  expect(kindOf('apiss')).toBeNull()
})

test.for([
  [
    { health: { active: { pth: '/' } } },
    'spec.health.active.pth: unknown field, did you mean "path"?',
  ],
  [
    { health: { active: { type: 'tcp', path: '/x' } } },
    'spec.health.active.path: is for checks of type http',
  ],
  [
    { health: { active: { type: 'tcp', host: 'x' } } },
    'spec.health.active.host: is for checks of type http and grpc',
  ],
  [
    { health: { active: { service: 'x' } } },
    'spec.health.active.service: is for checks of type grpc',
  ],
  [
    { health: { active: { type: 'grpc', statuses: [200] } } },
    'spec.health.active.statuses: is for checks of type http',
  ],
  [{ retries: { statuses: [503] } }, 'spec.retries.attempts: is required'],
  [
    { retries: { attempts: 1, statuses: [404] } },
    'spec.retries.statuses.0: too small: expected number to be >=500',
  ],
  [{ hedge: { afterMs: 0 } }, 'spec.hedge.afterMs: too small: expected number to be >=1'],
  [{ breaker: { probe: 1 } }, 'spec.breaker.probe: unknown field, did you mean "probes"?'],
  [{ discover: {} }, 'spec.discover: must have exactly one of `dns`, `http` and `file`'],
  [
    { discover: { dns: { name: 'a' }, file: { path: '/x' } } },
    'spec.discover: must have exactly one of `dns`, `http` and `file`',
  ],
  [
    { discover: { dns: { name: 'a b' } } },
    'spec.discover.dns.name: must be a host or service name',
  ],
  [
    { discover: { dns: { name: 'a', server: 'ns.example' } } },
    'spec.discover.dns.server: must be ADDRESS:PORT',
  ],
  [{ discover: { file: { path: 'x' } } }, 'spec.discover.file.path: must begin with "/"'],
  [
    { discover: { http: { url: 'ftp://x' } } },
    'spec.discover.http.url: must be http:// or https://',
  ],
  [{ targets: undefined }, 'spec.targets: is required, unless there is `discover`'],
  [{ hashOn: { header: 'x' } }, 'spec.hashOn: is for `balance: hash`'],
  [{ balance: 'hash', hashOn: {} }, 'spec.hashOn: must name exactly one'],
  [{ balance: 'hash', hashOn: { path: true, cookie: 'a' } }, 'spec.hashOn: must name exactly one'],
  [{ sticky: {} }, 'spec.sticky: must have either `cookie` or `header`'],
  [{ sticky: { cookie: { name: 'a;b' } } }, 'spec.sticky.cookie.name: must be a cookie name'],
] as const)('%j is refused with its path', ([spec, issue]) => {
  expect(issuesOf(upstream(spec))).toEqual([issue])
})

test.for([
  [
    { split: { branches: [] } },
    'spec.routes.0.split.branches: too small: expected array to have >=1 items',
  ],
  [
    { split: { branches: [{ upstream: 'a', weight: 0 }] } },
    'spec.routes.0.split.branches: one of them must have a weight above 0, for requests that no `when` takes',
  ],
  [
    { split: { branches: [{ upstream: 'a', when: {} }, { upstream: 'b' }] } },
    'spec.routes.0.split.branches.0.when: must name 1 to 16 headers and cookies (PREDICATES_PER_ROUTE_MAX)',
  ],
  [
    { upstream: 'a', split: { branches: [{ upstream: 'b' }] } },
    'spec.routes.0.split: excludes `upstream`: a branch may have all of the weight',
  ],
  [
    { split: { branches: [{ upstrem: 'b' }] } },
    'spec.routes.0.split.branches.0.upstrem: unknown field, did you mean "upstream"?',
  ],
  [
    { mirror: { upstream: 'a', percent: 0 } },
    'spec.routes.0.mirror.percent: too small: expected number to be >0',
  ],
] as const)('a route with %j is refused with its path', ([more, issue]) => {
  expect(issuesOf(route(more))).toContain(issue)
})
