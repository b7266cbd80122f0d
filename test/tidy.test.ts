// Goal: what ARCHITECTURE.md says about the shape of the code stays true.
// Method: the sources are read as text; each rule is a table and a loop, so that a planted violation of any kind fails.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

/** Room → rooms that it may import besides itself. A file's room is the longest prefix that fits. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'shared/': ['shared/routing/', 'shared/definitions/', 'shared/plugins/'],
  // An Api holds options of plugins, and these use the small schemas that definitions are made of.
  'shared/definitions/': ['shared/', 'shared/plugins/'],
  'shared/plugins/': ['shared/', 'shared/definitions/'],
  'shared/routing/': ['shared/', 'shared/definitions/', 'shared/plugins/'],
  'control-plane/': [
    'shared/',
    'shared/definitions/',
    'shared/routing/',
    'control-plane/access/',
    'control-plane/api/',
    'control-plane/cluster/',
    'control-plane/node/',
    'control-plane/raft/',
    'control-plane/storage/',
    'control-plane/transport/',
  ],
  // Who may do what is decided without knowing how calls, links or disks work.
  'control-plane/access/': ['shared/', 'shared/definitions/'],
  'control-plane/raft/': ['shared/'],
  'control-plane/state-machine/': [
    'shared/',
    'shared/definitions/',
    'shared/routing/',
    'control-plane/raft/',
    'control-plane/',
  ],
  'control-plane/storage/': [
    'shared/',
    'shared/definitions/',
    'control-plane/',
    'control-plane/raft/',
    'control-plane/state-machine/',
  ],
  'control-plane/transport/': ['shared/', 'control-plane/', 'control-plane/raft/'],
  // Whoever enrols is let in by a token, which is written down in a definition.
  'control-plane/cluster/': [
    'shared/',
    'shared/definitions/',
    'control-plane/',
    'control-plane/access/',
    'control-plane/raft/',
  ],
  'control-plane/node/': [
    'shared/',
    'shared/definitions/',
    'shared/routing/',
    'control-plane/',
    'control-plane/raft/',
    'control-plane/state-machine/',
    'control-plane/storage/',
    'control-plane/cluster/',
    'control-plane/access/',
  ],
  'control-plane/api/': [
    'shared/',
    'shared/definitions/',
    'shared/routing/',
    'control-plane/',
    'control-plane/access/',
  ],
  // What every client of a node does before it believes one: neither side of the house, and with sockets, so not shared.
  'client/': ['shared/'],
  // Bytes to messages and back, whatever carries them.
  'gateway/http1/': ['shared/'],
  // What clients are told of errors, and in which form.
  'gateway/errors/': ['shared/', 'shared/definitions/', 'shared/routing/'],
  // What was signed, and by whom: read from a request, whatever carried it.
  'gateway/signatures/': ['shared/', 'gateway/'],
  // Lists of fields to what HTTP/1.1 has, and back: frames are the business of node:http2.
  'gateway/http2/': ['shared/', 'gateway/http1/'],
  'gateway/': [
    'shared/',
    'shared/definitions/',
    'shared/routing/',
    'shared/plugins/',
    'client/',
    'gateway/http1/',
    'gateway/http2/',
    'gateway/errors/',
    'gateway/signatures/',
  ],
  'cli/': [
    'shared/',
    'shared/definitions/',
    'shared/routing/',
    'shared/plugins/',
    'client/',
    'control-plane/',
    'gateway/',
  ],
}

/** What `cli/` may take from the processes that it starts: their doors, nothing behind them. */
const DOORS = [
  'control-plane/founding-token.ts',
  'control-plane/main.ts',
  'control-plane/offline.ts',
  'control-plane/options.ts',
  'gateway/main.ts',
  'gateway/options.ts',
]

/** Rooms and files that a room of shells may take only the types of. */
const PORTS = ['control-plane/ports.ts', 'control-plane/clock.ts', 'control-plane/options.ts']

/** Rooms without clock, chance and I/O. */
const PURE = [
  'shared/',
  'control-plane/access/',
  'control-plane/raft/',
  'control-plane/state-machine/',
  'gateway/http1/',
  'gateway/errors/',
  'gateway/signatures/',
  'gateway/addresses/',
  'gateway/proxy-protocol/',
  'gateway/tls/client-hello.ts',
  'gateway/streams/port-rules.ts',
  'gateway/http2/',
  'gateway/limits/',
  'gateway/stages/',
  'gateway/records/',
  'gateway/discovery/endpoint-list.ts',
  'gateway/discovery/known-endpoints.ts',
  'gateway/dns/dns-answer.ts',
  'gateway/upstream/balance.ts',
  'gateway/upstream/breaker.ts',
  'gateway/upstream/health-verdict.ts',
  'gateway/upstream/large-set.ts',
  'gateway/upstream/report.ts',
  'gateway/upstream/retry-budget.ts',
  'gateway/upstream/retry-policy.ts',
  'gateway/upstream/selector.ts',
  'gateway/upstream/target-state.ts',
]
/** What pure rooms may take from Node: arithmetic on bytes, nothing that reaches outside. */
const PURE_BUILTINS = ['node:crypto', 'node:zlib', 'node:buffer']
const IMPURE =
  /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|randomUUID|randomBytes|randomInt|setTimeout|setInterval|setImmediate|process\.|fetch\()/

const FILE_LINES_MAX = 400
const FUNCTION_LINES_MAX = 70

type Source = { readonly path: string; readonly text: string }

const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.ts'], {
  cwd: ROOT,
  encoding: 'utf8',
})
const sources: readonly Source[] = listed
  .split('\n')
  .filter((path) => path !== '' && !path.startsWith('test/') && !path.endsWith('.config.ts'))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))

function roomOf(path: string): string | null {
  const fitting = Object.keys(MAY_IMPORT).filter((room) => path.startsWith(room))
  return fitting.toSorted((a, b) => b.length - a.length)[0] ?? null
}

function importsOf({
  path,
  text,
}: Source): readonly { readonly target: string; readonly isType: boolean }[] {
  const pattern =
    /(?:^|\n)\s*(import|export)( type)?[^'"\n]*?(?:\{[^}]*\}[^'"\n]*?)?from\s+'(\.{1,2}\/[^']+)'/g
  return [...text.matchAll(pattern)].map(([, , type, specifier = '']) => ({
    target: normalize(join(dirname(path), specifier)),
    isType: type !== undefined,
  }))
}

test('every source is in a room', () => {
  expect(sources.length).toBeGreaterThan(50)
  expect(sources.filter(({ path }) => roomOf(path) === null).map(({ path }) => path)).toEqual([])
})

test('imports keep to the dependency rule', () => {
  const broken: string[] = []
  for (const source of sources) {
    const room = roomOf(source.path) ?? ''
    for (const { target } of importsOf(source)) {
      const to = roomOf(target) ?? 'nowhere'
      const isAllowed = to === room || (MAY_IMPORT[room]?.includes(to) ?? false)
      if (!isAllowed) broken.push(`${source.path} (${room}) may not import ${target} (${to})`)
    }
  }
  expect(broken).toEqual([])
})

test('the control plane and the gateway never import each other, and the command line only their doors', () => {
  const broken: string[] = []
  for (const source of sources) {
    for (const { target } of importsOf(source)) {
      const isCrossing =
        (source.path.startsWith('gateway/') && target.startsWith('control-plane/')) ||
        (source.path.startsWith('control-plane/') && target.startsWith('gateway/'))
      const isIntrusion =
        source.path.startsWith('cli/') &&
        /^(control-plane|gateway)\//.test(target) &&
        !DOORS.includes(target)
      if (isCrossing || isIntrusion) broken.push(`${source.path} → ${target}`)
    }
  }
  expect(broken).toEqual([])
})

test('inner rooms of the control plane take only ports from its top', () => {
  const broken = sources.flatMap((source) =>
    importsOf(source)
      .filter(
        ({ target }) =>
          /^control-plane\/[a-z-]+\//.test(source.path) && /^control-plane\/[^/]+$/.test(target),
      )
      .filter(({ target }) => !PORTS.includes(target))
      .map(({ target }) => `${source.path} → ${target}`),
  )
  expect(broken).toEqual([])
})

test('pure rooms have no clock, no chance and no I/O', () => {
  const broken: string[] = []
  for (const { path, text } of sources) {
    if (!PURE.some((room) => path.startsWith(room))) continue
    const code = withoutComments(text)
    const impure = IMPURE.exec(code)?.[0]
    if (impure !== undefined) broken.push(`${path} uses ${impure}`)
    for (const [, builtin = ''] of code.matchAll(/from '(node:[^']+)'/g)) {
      if (!PURE_BUILTINS.includes(builtin)) broken.push(`${path} imports ${builtin}`)
    }
  }
  expect(broken).toEqual([])
})

test('no file is longer than the wall', () => {
  const long = sources
    .map(({ path, text }) => ({ path, lines: codeLines(text).length }))
    .filter(({ lines }) => lines > FILE_LINES_MAX)
  expect(long).toEqual([])
})

test('no function is longer than the wall', () => {
  const long = sources.flatMap(({ path, text }) =>
    functionsOf(text)
      .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
      .map(({ name, lines }) => `${path}: ${name} has ${lines} lines`),
  )
  expect(long).toEqual([])
})

test('nothing unfinished, no type or rule switched off, no path of a machine', () => {
  const broken = sources.flatMap(({ path, text }) =>
    text
      .split('\n')
      .map((line, at) => ({ line, at: at + 1 }))
      .filter(({ line }) =>
        /\bFIXME\b|\bTODO\b(?!\(#\d+\))|@ts-(ignore|expect-error|nocheck)|lint-disable(?!-next-line [a-z/-]+ -- .)|\/(home|root|Users)\//.test(
          line,
        ),
      )
      .map(({ line, at }) => `${path}:${at} ${line.trim()}`),
  )
  expect(broken).toEqual([])
})

test('gateways start without the schemas: they cost 20 MB, and half of the time that a start takes', () => {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const seen = new Map<string, string>()
  const open = ['gateway/worker.ts', 'gateway/supervisor.ts'].map((path) => [path, path] as const)
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [path, chain] = next
    if (seen.has(path)) continue
    seen.set(path, chain)
    for (const { target } of valuesOf(byPath.get(path))) open.push([target, `${chain} → ${target}`])
  }
  const loading = [...seen].filter(([path]) => /from 'zod'/.test(byPath.get(path)?.text ?? ''))
  expect(seen.size).toBeGreaterThan(100)
  expect(loading.map(([, chain]) => chain)).toEqual([])
})

/** What a source imports to use it, and not only its types. */
function valuesOf(source: Source | undefined): ReturnType<typeof importsOf> {
  if (source === undefined) return []
  const text = source.text.replace(/import \{(\s*type \w+,?)+\s*\} from/g, 'import type {} from')
  return importsOf({ ...source, text }).filter(({ isType }) => !isType)
}

describe('the rules themselves', () => {
  test('see an import that is spread over lines', () => {
    const text =
      "import {\n  a,\n  b,\n} from '../gateway/main.ts'\nimport type { C } from './c.ts'\n"
    expect(importsOf({ path: 'control-plane/x.ts', text })).toEqual([
      { target: 'gateway/main.ts', isType: false },
      { target: 'control-plane/c.ts', isType: true },
    ])
  })

  test('see a long function and not its comments', () => {
    const body = Array.from({ length: 71 }, (_, at) => `  call(${at})`).join('\n')
    expect(functionsOf(`function long() {\n${body}\n}\n`)).toEqual([{ name: 'long', lines: 73 }])
    expect(functionsOf('function short() {\n  // why\n\n  call()\n}\n')).toEqual([
      { name: 'short', lines: 3 },
    ])
  })

  test('see impurity in code and not in comments', () => {
    expect(IMPURE.test(withoutComments('const now = Date.now()'))).toBe(true)
    expect(IMPURE.test(withoutComments('// Date.now() is banned here\n/* setTimeout( */'))).toBe(
      false,
    )
  })
})

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

function codeLines(text: string): readonly string[] {
  return withoutComments(text)
    .split('\n')
    .filter((line) => line.trim() !== '')
}

/** Top-level functions and methods, by the formatter's indentation: from the opening line to its closing brace. */
function functionsOf(text: string): readonly { readonly name: string; readonly lines: number }[] {
  const found: { name: string; lines: number }[] = []
  const lines = codeLines(text)
  lines.forEach((line, at) => {
    const opening =
      /^( {0,2})(?:export )?(?:static )?(?:async )?(?:function\*? )?\*?(#?\w+)\(.*$/.exec(line)
    if (opening === null || /^\s*(if|for|while|switch|return|test|describe)\b/.test(line)) return
    const [, indent = '', name = ''] = opening
    const isClosing = (other: string, j: number) =>
      j > at && (other.startsWith(`${indent})`) || other.startsWith(`${indent}})`))
    const signature = line.endsWith('{') && !line.endsWith('({') ? at : lines.findIndex(isClosing)
    if (!(lines[signature] ?? '').endsWith('{')) return
    const end = lines.findIndex((other, j) => j > signature && other === `${indent}}`)
    if (end !== -1) found.push({ name, lines: end - at + 1 })
  })
  return found
}
