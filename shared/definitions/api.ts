import { z } from 'zod'
import {
  BODY_BYTES_BOUND_MAX,
  HOSTS_PER_API_MAX,
  PATH_CHARS_MAX,
  PREDICATES_PER_ROUTE_MAX,
  PRIORITY_MAX,
  ROUTES_PER_API_MAX,
} from '../limits.ts'
import { apiPluginsSchema, routePluginsSchema } from '../plugins/schema.ts'
import { apiErrorsSchema } from './api-errors.ts'
import { hostSchema, methodsSchema, millisecondsSchema, nameSchema } from './common.ts'
import { headerNameSchema } from './key-source.ts'
import { patternSchema } from './pattern.ts'
import { mirrorSchema, splitSchema } from './split.ts'
import { upstreamSpecSchema } from './upstream.ts'

/** How a route's path is compared with a request's. */
export const MATCHES = ['prefix', 'text-prefix', 'exact', 'template', 'regex'] as const

const recordsSchema = z.strictObject({
  sample: z
    .number()
    .min(0)
    .max(1)
    .describe('Share of the requests that access records are written of: 0 none, 1 all.'),
})

const routeSchema = z
  .strictObject({
    path: z
      .string()
      .min(1)
      .max(PATH_CHARS_MAX)
      .describe(
        'What `match` says: `/pets/` (prefix), `/pets/{id}/toys` (template), `^/v[0-9]+/` (regex, RE2 syntax). ' +
          'The path of a request is compared as the client sent it, without its query.',
      ),
    match: z
      .enum(MATCHES)
      .optional()
      .describe(
        'prefix (default): by whole segments, so /pets matches /pets and /pets/1 but not /petshop. text-prefix: any ' +
          'text that begins so. exact: the whole path. template: {name} is one segment, {name*} the rest. regex: anywhere ' +
          'unless anchored.',
      ),
    methods: methodsSchema.optional().describe('Omitted: every method.'),
    headers: z
      .record(headerNameSchema, patternSchema)
      .refine((headers) => Object.keys(headers).length <= PREDICATES_PER_ROUTE_MAX, {
        message: `at most ${PREDICATES_PER_ROUTE_MAX} headers (PREDICATES_PER_ROUTE_MAX)`,
      })
      .optional()
      .describe('Every named header must match: exact text, {prefix}, {regex} or {present}.'),
    query: z
      .record(z.string().min(1).max(256), patternSchema)
      .refine((query) => Object.keys(query).length <= PREDICATES_PER_ROUTE_MAX, {
        message: `at most ${PREDICATES_PER_ROUTE_MAX} query parameters (PREDICATES_PER_ROUTE_MAX)`,
      })
      .optional()
      .describe('Every named query parameter must match; of a repeated one, any value may.'),
    priority: z
      .int()
      .min(-PRIORITY_MAX)
      .max(PRIORITY_MAX)
      .optional()
      .describe('Decides between routes that are equally specific: the higher wins. Default 0.'),
    rewrite: z
      .strictObject({
        prefix: z.string().min(1).max(PATH_CHARS_MAX).startsWith('/', 'must begin with "/"'),
      })
      .optional()
      .describe('The matched prefix becomes this one. Omitted: the path stays as it is.'),
    upstream: z
      .union([nameSchema, upstreamSpecSchema])
      .optional()
      .describe('For this route, in place of the Api’s own.'),
    split: splitSchema
      .optional()
      .describe('Several upstreams for this route, by weight or by headers and cookies: a canary.'),
    mirror: mirrorSchema
      .optional()
      .describe(
        'Another upstream gets a copy; its answers are dropped, and clients notice nothing.',
      ),
    records: recordsSchema.optional().describe('For this route, in place of the Api’s own.'),
    bodyBytesMax: z
      .int()
      .min(0)
      .max(BODY_BYTES_BOUND_MAX)
      .optional()
      .describe('Largest request body; a larger one is 413 BODY_TOO_LARGE. Omitted: any.'),
    timeouts: z
      .strictObject({
        requestMs: millisecondsSchema.optional(),
        firstByteMs: millisecondsSchema.optional(),
        idleMs: millisecondsSchema.optional(),
      })
      .optional()
      .describe('For this route, in place of those of its upstream.'),
    plugins: routePluginsSchema
      .optional()
      .describe('For this route: by name, in place of the Api’s own; false switches one off.'),
  })
  .refine(({ upstream, split }) => upstream === undefined || split === undefined, {
    path: ['split'],
    message: 'excludes `upstream`: a branch may have all of the weight',
  })

/** What an Api is: hosts and routes, and where their requests go. */
export const apiSpecSchema = z.strictObject({
  hosts: z
    .array(hostSchema)
    .min(1)
    .max(HOSTS_PER_API_MAX)
    .optional()
    .describe('Omitted: any host. `.x` = x and everything below; `*.x` = only below.'),
  routes: z.array(routeSchema).min(1).max(ROUTES_PER_API_MAX),
  upstream: z
    .union([nameSchema, upstreamSpecSchema])
    .optional()
    .describe('Inline, or the name of an Upstream. Needed unless every route has its own.'),
  https: z
    .enum(['optional', 'redirect'])
    .optional()
    .describe('redirect: requests without TLS are sent to https. Default optional.'),
  records: recordsSchema
    .optional()
    .describe('Which requests are recorded. Omitted: what the options of each gateway say.'),
  plugins: apiPluginsSchema.optional().describe('By plugin name; a route may override.'),
  errors: apiErrorsSchema
    .optional()
    .describe('What clients are told of errors that the gateway answers with.'),
})

export type ApiSpec = z.infer<typeof apiSpecSchema>
export type RouteSpec = ApiSpec['routes'][number]
export type Match = (typeof MATCHES)[number]
