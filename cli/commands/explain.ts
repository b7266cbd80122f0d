import {
  explainStream,
  readStreamUrl,
  type StreamExplanation,
  type StreamQuestion,
} from '../../shared/routing/explain-stream.ts'
import { explain } from '../../shared/routing/table.ts'
import type { RequestView } from '../../shared/routing/types.ts'
import { explainAnswer, explainStreamAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import type { Call } from '../client.ts'
import { defineCommand, type Terminal } from '../command.ts'
import { compileLoaded } from '../documents/compile-loaded.ts'
import { loadDefinitions } from '../documents/load-definitions.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { UsageError } from '../failures.ts'
import { FILE_OPTION } from '../file-option.ts'
import { printJson } from '../output.ts'
import { colours, type Colours } from '../render/colour.ts'
import { printable } from '../render/table.ts'

/** `raftway explain`: the decision that gateways make for a request. */
export const EXPLAIN_COMMANDS = [
  defineCommand({
    usage: 'explain <method> <url>',
    summary: 'Say which route takes a request, and why the others do not; exit 5 if none does',
    examples: [
      ['raftway explain GET http://api.example.com/pets/7', 'As gateways decide it now'],
      ["raftway explain GET /pets -H 'x-canary: yes'", 'With a header, for any host'],
      ['raftway explain GET /pets -f petstore.yaml', 'As these files alone would have it'],
      ['raftway explain CONNECT tls://shop.example.com:8443', 'Which Stream takes a TLS client'],
    ],
    positionals: {
      method: { describe: 'GET, POST …', required: true },
      url: {
        describe:
          'a whole url, a path when the host does not matter, tls://NAME:PORT or tcp://HOST:PORT',
        required: true,
      },
    },
    options: {
      header: {
        type: 'list',
        alias: 'H',
        describe: "a request header, 'name: value'; may be repeated",
      },
      ...FILE_OPTION,
      ...CONTROL_OPTION,
      ...OUTPUT_OPTION,
    },
    run: async (args, terminal) => {
      const question = readStreamUrl(args.url)
      if (question !== null) return explainConnection(question, args, terminal)
      const request = readRequest(args.method, args.url, args.header ?? [])
      const explanation =
        args.file === undefined
          ? await withClient(args, terminal, (client) =>
              client.call(explainCall(request), explainAnswer),
            )
          : explain(compileLoaded(await loadDefinitions(args.file, terminal)), viewOf(request))
      if (args.output === 'json') printJson(terminal, explanation)
      else terminal.out(render(request, explanation, colours(terminal)))
      return explanation.matched === null ? EXIT.notFound : EXIT.ok
    },
  }),
]

type ExplainArguments = Parameters<typeof withClient>[0] & {
  readonly url: string
  readonly file: readonly string[] | undefined
  readonly output: 'text' | 'json'
}

async function explainConnection(
  question: StreamQuestion,
  args: ExplainArguments,
  terminal: Terminal,
): Promise<ExitCode> {
  const { url } = args
  const explanation =
    args.file === undefined
      ? await withClient(args, terminal, (client) =>
          client.call({ method: 'GET', path: '/v1/explain', query: { url } }, explainStreamAnswer),
        )
      : explainStream(compileLoaded(await loadDefinitions(args.file, terminal)), question)
  if (args.output === 'json') printJson(terminal, explanation)
  else terminal.out(renderStream(url, explanation, colours(terminal)))
  return explanation.matched === null ? EXIT.notFound : EXIT.ok
}

function renderStream(
  url: string,
  { matched, candidates }: StreamExplanation,
  { bold, green, red, dim }: Colours,
): string {
  const lines = [bold(printable(url))]
  if (matched === null) lines.push(red('no Stream matches: a gateway closes the connection'))
  else {
    lines.push(
      `${green('→')} ${printable(`Stream/${matched.stream}: ${matched.host} on port ${matched.port}`)}`,
      printable(`  goes to ${matched.upstream}`),
    )
  }
  if (candidates.length > 0) lines.push('', dim('candidates that lost:'))
  for (const { stream, host, reason } of candidates) {
    lines.push(printable(`  Stream/${stream}: ${host}`), dim(printable(`    ${reason}`)))
  }
  return `${lines.join('\n')}\n`
}

type AskedRequest = {
  readonly method: string
  /** As it was typed. */
  readonly url: string
  /** Lower case, without a port; empty when only a path was given. */
  readonly host: string
  /** Path and query as a client would send them: nothing is resolved or encoded. */
  readonly path: string
  readonly query: string
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
}

const URL_PARTS = /^(?<origin>https?:\/\/[^/?#]+)?(?<path>[^?#]*)(?:\?(?<query>[^#]*))?/i

function readRequest(method: string, url: string, headers: readonly string[]): AskedRequest {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method)) {
    throw new UsageError(`"${method}" is not a method; the order is METHOD URL`)
  }
  const { origin, path = '', query = '' } = URL_PARTS.exec(url)?.groups ?? {}
  const parsed = origin === undefined ? null : URL.parse(origin)
  if (origin === undefined ? !url.startsWith('/') : parsed === null) {
    throw new UsageError(`"${url}" is neither an http url nor a path`)
  }
  const byName = new Map<string, string>()
  for (const header of headers) {
    const parts = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*?)\s*$/.exec(header)
    if (parts === null) throw new UsageError(`"${header}" is not a header: 'name: value' is wanted`)
    const [, name = '', value = ''] = parts
    const key = name.toLowerCase()
    const earlier = byName.get(key)
    byName.set(key, earlier === undefined ? value : `${earlier}, ${value}`)
  }
  // Methods are case-sensitive (RFC 9110 9.1), but nobody who types "get" means another one.
  return {
    method: method.toUpperCase(),
    url,
    host: parsed?.hostname ?? hostOf(byName.get('host')) ?? '',
    path: path === '' ? '/' : path,
    query,
    headers: byName,
  }
}

function explainCall({ method, url, headers }: AskedRequest): Call {
  const header = [...headers].map(([name, value]) => `${name}: ${value}`)
  return { method: 'GET', path: '/v1/explain', query: { method, url, header } }
}

/** The host of a Host header: lower case, without its port. */
function hostOf(header: string | undefined): string | undefined {
  return header?.toLowerCase().replace(/:\d+$/, '')
}

function viewOf({ headers, ...request }: AskedRequest): RequestView {
  return { ...request, header: (name) => headers.get(name) }
}

type ShownRoute = {
  readonly api: string
  readonly route: number
  readonly host: string
  readonly match: string
  readonly path: string
}

type Shown = {
  readonly matched: (ShownRoute & { readonly upstream: string; readonly targetPath: string }) | null
  readonly candidates: readonly (ShownRoute & { readonly reason: string })[]
}

function render(request: AskedRequest, explanation: Shown, colours: Colours): string {
  const { matched, candidates } = explanation
  const { bold, green, red, dim } = colours
  const lines = [bold(printable(`${request.method} ${request.url}`))]
  if (matched === null) {
    lines.push(red('no route matches: a gateway answers 404 NOT_FOUND'))
  } else {
    lines.push(
      `${green('→')} ${printable(`Api/${matched.api} route ${matched.route}: ${routeText(matched)}`)}`,
      printable(`  goes to ${matched.upstream} as ${matched.targetPath}`),
    )
  }
  if (candidates.length > 0)
    lines.push('', dim('candidates that lost, in the order they were tried:'))
  for (const candidate of candidates) {
    lines.push(
      printable(`  Api/${candidate.api} route ${candidate.route}: ${routeText(candidate)}`),
      dim(printable(`    ${candidate.reason}`)),
    )
  }
  return `${lines.join('\n')}\n`
}

function routeText({ match, path, host }: ShownRoute): string {
  return `${match} ${path} on ${host === '*' ? 'any host' : host}`
}
