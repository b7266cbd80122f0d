import type { Kind } from '../../shared/definitions/kinds.ts'
import type { DefinitionAnswer } from '../answers.ts'
import { renderTable } from './table.ts'

type Column = { readonly head: string; readonly cell: (definition: DefinitionAnswer) => string }

/** What a list of one kind shows between name and revision. */
const COLUMNS: Readonly<Record<Kind, readonly Column[]>> = {
  Api: [
    { head: 'HOSTS', cell: ({ spec }) => few(listAt(spec, 'hosts').map(String)) || 'any' },
    { head: 'ROUTES', cell: ({ spec }) => few(listAt(spec, 'routes').map(routeText)) },
    { head: 'UPSTREAM', cell: ({ spec }) => upstreamsOf(spec) },
  ],
  Upstream: [
    { head: 'TARGETS', cell: ({ spec }) => few(targetsOf(spec)) },
    { head: 'BALANCE', cell: ({ spec }) => textAt(spec, 'balance') || 'round-robin' },
  ],
  Stream: [
    { head: 'PORT', cell: ({ spec }) => numberAt(spec, 'port') },
    { head: 'SNI', cell: ({ spec }) => few(listAt(spec, 'sni').map(String)) || 'any' },
    { head: 'UPSTREAM', cell: ({ spec }) => upstreamsOf(spec) },
  ],
  Plan: [
    {
      head: 'APIS',
      cell: ({ spec }) => few(listAt(spec, 'access').map((rule) => textAt(rule, 'api'))) || 'all',
    },
    {
      head: 'LIMITS',
      cell: ({ spec }) => few(listAt(spec, 'limits').map((limit) => textAt(limit, 'name'))),
    },
    { head: 'PRIORITY', cell: ({ spec }) => numberAt(spec, 'priority') || '0' },
    { head: 'DESCRIPTION', cell: ({ spec }) => textAt(spec, 'description') },
  ],
  Consumer: [
    {
      head: 'STATE',
      cell: ({ spec }) => (memberAt(spec, 'enabled') === false ? 'disabled' : 'enabled'),
    },
    { head: 'PLANS', cell: ({ spec }) => few(listAt(spec, 'plans').map(String)) },
    { head: 'ROLES', cell: ({ spec }) => few(listAt(spec, 'roles').map(String)) },
    {
      head: 'KEYS',
      cell: ({ spec }) =>
        few(listAt(memberAt(spec, 'credentials'), 'keys').map((key) => textAt(key, 'name'))),
    },
    { head: 'EXPIRES', cell: ({ spec }) => textAt(spec, 'expiresAt') || 'never' },
  ],
  Secret: [
    { head: 'FINGERPRINT', cell: ({ spec }) => textAt(memberAt(spec, 'value'), 'redacted') },
    { head: 'DESCRIPTION', cell: ({ spec }) => textAt(spec, 'description') },
  ],
  Certificate: [
    { head: 'HOSTS', cell: ({ spec }) => few(listAt(spec, 'hosts').map(String)) || 'as in it' },
    {
      head: 'CLIENTS',
      cell: ({ spec }) => textAt(memberAt(spec, 'clients'), 'mode') || 'not asked',
    },
  ],
  Token: [
    { head: 'ROLE', cell: ({ spec }) => textAt(spec, 'role') },
    { head: 'KINDS', cell: ({ spec }) => few(listAt(spec, 'kinds').map(String)) || 'all' },
    { head: 'ENDS IN', cell: ({ spec }) => textAt(spec, 'lastFour') },
    { head: 'EXPIRES', cell: ({ spec }) => textAt(spec, 'expiresAt') || 'never' },
    { head: 'DESCRIPTION', cell: ({ spec }) => textAt(spec, 'description') },
  ],
  Revocation: [
    { head: 'TOKEN', cell: ({ spec }) => textAt(spec, 'token') },
    { head: 'CERTIFICATE', cell: ({ spec }) => textAt(spec, 'certificate') },
    { head: 'REASON', cell: ({ spec }) => textAt(spec, 'reason') },
  ],
}

/** The table of `raftway get`: one row a definition. */
export function definitionTable(kind: Kind, definitions: readonly DefinitionAnswer[]): string {
  const columns: readonly Column[] = COLUMNS[kind]
  return renderTable(
    ['NAME', ...columns.map(({ head }) => head), 'REVISION'],
    definitions.map((definition) => [
      definition.name,
      ...columns.map(({ cell }) => cell(definition)),
      definition.revision,
    ]),
  )
}

const SHOWN = 3

function few(texts: readonly string[]): string {
  const more = texts.length - SHOWN
  return texts.slice(0, SHOWN).join(', ') + (more > 0 ? ` +${more}` : '')
}

function routeText(route: unknown): string {
  const match = textAt(route, 'match')
  return textAt(route, 'path') + (match === '' || match === 'prefix' ? '' : ` (${match})`)
}

function upstreamsOf(spec: unknown): string {
  const all = [spec, ...listAt(spec, 'routes')].map((part) => {
    const upstream = memberAt(part, 'upstream')
    return typeof upstream === 'string' ? upstream : few(targetsOf(upstream))
  })
  return few([...new Set(all.filter((text) => text !== ''))])
}

function targetsOf(upstream: unknown): string[] {
  return listAt(upstream, 'targets').map((target) => textAt(target, 'url'))
}

function memberAt(value: unknown, member: string): unknown {
  if (value === null || typeof value !== 'object') return undefined
  return (value as Readonly<Record<string, unknown>>)[member]
}

function listAt(value: unknown, member: string): readonly unknown[] {
  const list = memberAt(value, member)
  return Array.isArray(list) ? list : []
}

function numberAt(value: unknown, member: string): string {
  const number = memberAt(value, member)
  return typeof number === 'number' ? String(number) : ''
}

function textAt(value: unknown, member: string): string {
  const text = memberAt(value, member)
  return typeof text === 'string' ? text : ''
}
