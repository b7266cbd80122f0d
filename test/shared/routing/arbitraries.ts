import * as fc from 'fast-check'
import type { RouteSpec } from '../../../shared/definitions/api.ts'
import type { PatternSpec } from '../../../shared/definitions/pattern.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import type { DefinitionChange, RequestView } from '../../../shared/routing/types.ts'
import { bareApi, put, remove, request, upstream } from './samples.ts'

// Few words and short paths, so that routes meet, nest and collide all the time.

const word = fc.constantFrom('a', 'a', 'b', 'ab', 'é', 'v1', 'x-y', 'x.json', '')
const path = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => `/${words.join('/')}`)

const templatePiece = fc.constantFrom('a', 'ab', '{p}', '{p}', '{p}.json', 'v{p}', '{p}-y', 'x-{p}')
const templatePath = fc
  .tuple(
    fc.array(templatePiece, { minLength: 1, maxLength: 3 }),
    fc.constantFrom('', '', '/', '/{r*}', '/a{r*}'),
  )
  .map(([pieces, end]) => `/${pieces.join('/')}${end}`)
  // Each parameter has a name of its own.
  .map((text) => text.replaceAll('{p}', (_, at: number) => `{p${at}}`))

const regexPath = fc.constantFrom(
  '^/a',
  '^/ab$',
  '^/v[0-9]+/',
  '^/(a|b)/',
  'json$',
  '/ab',
  '^/a/[^/]+$',
  '[0-9]',
)

const pattern: fc.Arbitrary<PatternSpec> = fc.oneof(
  fc.constantFrom('1', '2', ''),
  fc.constantFrom({ prefix: '1' }, { regex: '^[0-9]+$' }, { present: true }, { present: false }),
)

const routeSpec: fc.Arbitrary<RouteSpec> = fc
  .record({
    where: fc.oneof(
      fc.record({ path, match: fc.constantFrom('prefix', 'text-prefix', 'exact') }),
      fc.record({ path: templatePath, match: fc.constant('template' as const) }),
      fc.record({ path: regexPath, match: fc.constant('regex' as const) }),
    ),
    more: fc.oneof(
      fc.constant({}),
      fc.record(
        {
          methods: fc.constantFrom('GET', 'GET POST', 'POST').map((methods) => methods.split(' ')),
          headers: fc.dictionary(fc.constantFrom('X-A', 'x-b'), pattern, {
            minKeys: 1,
            maxKeys: 2,
          }),
          query: fc.dictionary(fc.constantFrom('q', 'r s'), pattern, { minKeys: 1, maxKeys: 2 }),
          priority: fc.integer({ min: -1, max: 1 }),
        },
        { requiredKeys: [] },
      ),
    ),
    upstream: fc.option(fc.constantFrom('one', 'two'), { nil: undefined, freq: 2 }),
  })
  .map(({ where, more, upstream: name }) => ({
    ...(where as Pick<RouteSpec, 'path' | 'match'>),
    ...more,
    ...(name === undefined ? {} : { upstream: name }),
  }))

const hosts = fc.option(
  fc.uniqueArray(
    fc.constantFrom('x.com', 'A.x.com', '.x.com', '*.x.com', '.com', '*.a.x.com', 'com'),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  { nil: undefined, freq: 2 },
)

const apiName = fc.constantFrom('a', 'b', 'b.c', 'd')

/** An Api that may need the Upstreams `one` and `two`, and may not compile in company. */
export const apiDefinition: fc.Arbitrary<Definition> = fc
  .record({ name: apiName, hosts, routes: fc.array(routeSpec, { minLength: 1, maxLength: 6 }) })
  .map(({ name, hosts, routes }) =>
    bareApi(name, {
      ...(hosts === undefined ? {} : { hosts }),
      routes,
      upstream: { targets: [{ url: 'http://10.0.0.1' }] },
    }),
  )

/** A change, good or bad: Apis come and go, and so do the Upstreams that they may need. */
export const anyChange: fc.Arbitrary<DefinitionChange> = fc.oneof(
  { weight: 4, arbitrary: apiDefinition.map(put) },
  { weight: 1, arbitrary: apiName.map((name) => remove('Api', name)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('one', 'two'), fc.constantFrom(1, 2))
      .map(([name, port]) => put(upstream(name, port))),
  },
  { weight: 1, arbitrary: fc.constantFrom('one', 'two').map((name) => remove('Upstream', name)) },
)

/** A request for one of the paths that routes are made of. */
export const anyRequest: fc.Arbitrary<RequestView> = fc
  .record({
    path: fc.oneof(
      path,
      fc.tuple(path, path).map(([a, b]) => a + b),
    ),
    host: fc.constantFrom('x.com', 'a.x.com', 'b.a.x.com', 'ax.com', 'com', 'y.com', 'z', ''),
    method: fc.constantFrom('GET', 'POST', 'PUT'),
    query: fc.constantFrom('', 'q=1', 'q=2&q=12', 'r+s=1', 'r%20s=12&q', 'q=%31', 'q=&x'),
    headers: fc.dictionary(fc.constantFrom('x-a', 'x-b'), fc.constantFrom('1', '12', '2', ''), {
      maxKeys: 2,
    }),
  })
  .map(({ path, ...more }) => request(path, more))
