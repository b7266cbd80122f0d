// Golden files: `test/golden/routing/<case>.in.json` holds definitions and requests, `<case>.out.txt` the table they
// compile to and each decision, or the issues. UPDATE_GOLDEN=1 rewrites the answers; the diff is the review.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseDefinition, withRevision } from '../../../shared/definitions/parse.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { compileTable, explain, printTable } from '../../../shared/routing/table.ts'
import type { Explanation } from '../../../shared/routing/types.ts'
import { request } from './samples.ts'

type GoldenRequest = {
  method?: string
  url: string
  headers?: Record<string, string>
}
type GoldenCase = { definitions: unknown[]; requests?: GoldenRequest[] }

const FOLDER = new URL('../../golden/routing/', import.meta.url)
const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.in.json'))
  .map((file) => file.slice(0, -'.in.json'.length))

test('there are golden files', () => {
  expect(NAMES.length).toBeGreaterThanOrEqual(5)
})

test.each(NAMES)('%s compiles to what its golden file says', (name) => {
  const text = readFileSync(new URL(`${name}.in.json`, FOLDER), 'utf8')
  const golden = new URL(`${name}.out.txt`, FOLDER)
  const printed = print(JSON.parse(text) as GoldenCase)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, printed)
  expect(printed).toBe(readFileSync(golden, 'utf8'))
})

function print({ definitions, requests = [] }: GoldenCase): string {
  const compiled = compileTable(definitions.map(parsed))
  if (!compiled.ok) {
    const lines = compiled.issues.map(
      ({ kind, name, path, message }) => `${kind}/${name} ${path}: ${message}`,
    )
    return `${lines.join('\n')}\n`
  }
  const decisions = requests.map((each) => {
    const { method = 'GET', url, headers = {} } = each
    const { host, pathname, search } = new URL(url)
    const view = request(pathname, { method, host, query: search.slice(1), headers })
    return `\n${method} ${url}\n${printDecision(explain(compiled.table, view))}`
  })
  return `${printTable(compiled.table)}${decisions.join('')}`
}

function parsed(input: unknown): Definition {
  const result = parseDefinition(input)
  if (!result.ok) throw new Error(JSON.stringify(result.issues))
  return withRevision(result.value, { revision: 1, createdRevision: 1 })
}

function printDecision({ matched, candidates }: Explanation): string {
  const winner =
    matched === null
      ? '  no route'
      : `  ${matched.api}/${matched.route} -> ${matched.upstream} ${matched.targetPath}`
  const losers = candidates.map(
    ({ api, route, host, match, path, reason }) =>
      `  not ${api}/${route} (${host} ${match} ${path}): ${reason}`,
  )
  return `${[winner, ...losers].join('\n')}\n`
}
