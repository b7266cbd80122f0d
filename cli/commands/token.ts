import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { ROLES, type TokenSpec } from '../../shared/definitions/access.ts'
import {
  formatToken,
  hashOfSecret,
  TOKEN_SECRET_BYTES,
  type TokenLetter,
} from '../../shared/token-text.ts'
import { definitionAnswer, type DefinitionAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import type { ControlClient } from '../client.ts'
import { defineCommand, type Terminal } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { ApiProblem, CommandFailure, UsageError } from '../failures.ts'
import { definitionPath, readKind } from '../kind-argument.ts'
import { printJson } from '../output.ts'
import { renderTable } from '../render/table.ts'
import { listAll } from './definitions.ts'

const OPTIONS = { ...CONTROL_OPTION, ...OUTPUT_OPTION } as const

const CREATE = defineCommand({
  usage: 'token create',
  summary: 'Make a token and print it, once: it is stored as a hash',
  examples: [
    ['raftway token create --role editor --name ci', 'For a pipeline that pushes'],
    [
      'raftway token create --role viewer --kinds Api,Upstream --description "status page"',
      'For somebody who may see some kinds only',
    ],
    ['raftway token create --role node --founding > founding.token', 'For the first nodes'],
    ['raftway token create --role gateway --ttl 90d > gw1.token', 'For a gateway, in a file'],
  ],
  positionals: {},
  options: {
    role: {
      type: 'string',
      required: true,
      choices: ROLES,
      describe: 'admin: everything; editor: read and write; viewer: read; gateway, node: join',
    },
    name: { type: 'string', describe: 'name of the token; default one made up from the role' },
    ttl: { type: 'string', describe: 'good for this long: 90d, 12h, 30m; default without end' },
    kinds: {
      type: 'string',
      describe: 'the only kinds that an editor may write or a viewer may read, with commas',
    },
    'max-uses': { type: 'number', describe: 'how many nodes or gateways may join with it' },
    description: { type: 'string', describe: 'who has it and what for' },
    founding: {
      type: 'boolean',
      describe: 'with --role node: for fresh nodes that found a cluster with TLS; asks no node',
    },
    ...OPTIONS,
  },
  run: async (args, terminal) => {
    if (args.founding === true) {
      if (args.role !== 'node') throw new UsageError('--founding goes with --role node')
      const { makeFoundingToken } = await import('../../control-plane/founding-token.ts')
      return tell(terminal, args.output, { token: await makeFoundingToken(), role: args.role })
    }
    const secret = randomBytes(TOKEN_SECRET_BYTES).toString('base64url')
    const name = args.name ?? `${args.role}-${randomBytes(4).toString('hex')}`
    const expiresAt = args.ttl === undefined ? undefined : expiryOf(args.ttl, Date.now())
    const spec: TokenSpec = {
      role: args.role,
      hash: hashOfSecret(secret),
      lastFour: secret.slice(-4),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(args.kinds === undefined ? {} : { kinds: args.kinds.split(',').map(kindName) }),
      ...(args['max-uses'] === undefined ? {} : { maxUses: args['max-uses'] }),
      ...(args.description === undefined ? {} : { description: args.description }),
    }
    const fingerprint = await withClient(args, terminal, async (client) => {
      await create(client, name, spec)
      return authorityOf(client)
    })
    // With TLS a gateway gets a certificate of its own for it; without, it is what the gateway shows.
    const mayEnrol = args.role === 'node' || (args.role === 'gateway' && fingerprint !== '')
    const letter: TokenLetter = mayEnrol ? 'j' : 't'
    const token = formatToken({ letter, name, secret, fingerprint })
    const more = { name, role: args.role, expiresAt: expiresAt ?? null }
    return tell(terminal, args.output, { token, ...more })
  },
})

/** Prints a token: the only line on stdout, so that it can be kept in a file. */
function tell(
  terminal: Terminal,
  output: 'text' | 'json',
  made: { readonly token: string; readonly role: string; readonly name?: string },
): ExitCode {
  if (output === 'json') printJson(terminal, made)
  else {
    terminal.out(`${made.token}\n`)
    const name = made.name ?? 'for founding'
    terminal.say(`token ${name} (${made.role}): keep it now, it cannot be shown again`)
  }
  return EXIT.ok
}

/** What the bearer will know the cluster by; empty without TLS. */
async function authorityOf(client: ControlClient): Promise<string> {
  try {
    const answer = await client.call({ method: 'GET', path: '/v1/authority' }, authorityAnswer)
    return answer.fingerprint
  } catch (error) {
    if (error instanceof ApiProblem && NO_AUTHORITY.has(error.code)) return ''
    throw error
  }
}

const authorityAnswer = z.looseObject({ fingerprint: z.string() })
/** Of nodes without TLS, and of those that know none. */
const NO_AUTHORITY: ReadonlySet<string> = new Set(['CERTIFICATE_MISSING', 'UNKNOWN_CALL'])

async function create(client: ControlClient, name: string, spec: TokenSpec): Promise<void> {
  // A revocation outlives its token: another one of the name would be refused for no reason that anybody sees.
  const revocations = await listAll(client, 'Revocation', {})
  if (revocations.items.some((each) => memberOf(each, 'token') === name)) {
    const detail = `a token ${name} was revoked once; choose another name`
    throw new CommandFailure(EXIT.conflict, detail)
  }
  try {
    await client.call(
      {
        method: 'PUT',
        path: definitionPath('Token', name),
        body: { spec },
        headers: { 'if-none-match': '*' },
      },
      definitionAnswer,
    )
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.code !== 'REVISION_CONFLICT') throw error
    throw new CommandFailure(EXIT.conflict, `there is a token ${name} already`, error)
  }
}

const LIST = defineCommand({
  usage: 'token list',
  summary: 'List tokens, what they may do, and whether they still work',
  examples: [['raftway token list', 'Names, roles and ends; a token itself is never shown']],
  positionals: {},
  options: OPTIONS,
  run: async (args, terminal) => {
    const { tokens, revocations } = await withClient(args, terminal, async (client) => ({
      tokens: await listAll(client, 'Token', {}),
      revocations: await listAll(client, 'Revocation', {}),
    }))
    const revoked = new Set(revocations.items.map((each) => memberOf(each, 'token')))
    const items = tokens.items.map((each) => ({
      name: each.name,
      state: stateOf(each, revoked, Date.now()),
      ...(each.spec as Readonly<Record<string, unknown>>),
      revision: each.revision,
    }))
    if (args.output === 'json') {
      const bootstrap = revoked.has('bootstrap') ? 'revoked' : 'good'
      printJson(terminal, { bootstrap, items })
      return EXIT.ok
    }
    const rows = tokens.items.map((each) => [
      each.name,
      memberOf(each, 'role'),
      stateOf(each, revoked, Date.now()),
      memberOf(each, 'expiresAt') || 'never',
      memberOf(each, 'lastFour'),
      memberOf(each, 'description'),
    ])
    const bootstrap = ['bootstrap', 'admin', revoked.has('bootstrap') ? 'revoked' : 'good', 'never']
    terminal.out(
      renderTable(
        ['NAME', 'ROLE', 'STATE', 'EXPIRES', 'ENDS IN', 'DESCRIPTION'],
        [[...bootstrap, '', 'made by the first leader'], ...rows],
      ),
    )
    return EXIT.ok
  },
})

const REVOKE = defineCommand({
  usage: 'token revoke <name>',
  summary: 'Take a token out of use, at once and on every node',
  examples: [
    ['raftway token revoke ci --reason "laptop lost"', 'Open watches of it end as well'],
    ['raftway token revoke bootstrap', 'Once there is another admin'],
  ],
  positionals: { name: { describe: 'the token', required: true } },
  options: {
    reason: { type: 'string', describe: 'why, for whoever looks later' },
    ...OPTIONS,
  },
  run: async (args, terminal) => {
    const { name, reason } = args
    const spec = { token: name, ...(reason === undefined ? {} : { reason }) }
    const answer = await withClient(args, terminal, async (client) => {
      const isKnown = name === 'bootstrap' || (await exists(client, name))
      if (!isKnown) throw new CommandFailure(EXIT.notFound, `there is no token ${name}`)
      return client.call(
        { method: 'PUT', path: definitionPath('Revocation', name), body: { spec } },
        definitionAnswer,
      )
    })
    if (args.output === 'json') printJson(terminal, answer)
    else terminal.out(`token ${name} revoked\n`)
    return EXIT.ok
  },
})

async function exists(client: ControlClient, name: string): Promise<boolean> {
  try {
    await client.call({ method: 'GET', path: definitionPath('Token', name) }, definitionAnswer)
    return true
  } catch (error) {
    if (error instanceof ApiProblem && error.code === 'DEFINITION_NOT_FOUND') return false
    throw error
  }
}

/** `raftway token …`: who may call the API. */
export const TOKEN_COMMANDS = [CREATE, LIST, REVOKE]

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** When a token ends that is good for a time such as `90d`, in UTC. Throws UsageError. */
function expiryOf(ttl: string, nowMs: number): string {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(ttl) ?? []
  const ms = Number(count) * (UNIT_MS[unit] ?? 0)
  if (ms === 0) throw new UsageError('--ttl must be a number with s, m, h or d, such as 90d')
  return new Date(nowMs + ms).toISOString()
}

function kindName(text: string): string {
  return readKind(text.trim())
}

function stateOf(
  token: DefinitionAnswer,
  revoked: ReadonlySet<string>,
  nowMs: number,
): 'good' | 'revoked' | 'expired' {
  if (revoked.has(token.name)) return 'revoked'
  const expiresAt = memberOf(token, 'expiresAt')
  return expiresAt !== '' && Date.parse(expiresAt) <= nowMs ? 'expired' : 'good'
}

function memberOf({ spec }: DefinitionAnswer, member: string): string {
  if (spec === null || typeof spec !== 'object') return ''
  const value = (spec as Readonly<Record<string, unknown>>)[member]
  return typeof value === 'string' ? value : ''
}
