import { deleteAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import {
  keysAnswer,
  keysPath,
  keyState,
  keyText,
  makeKey,
  type KeyAnswer,
} from '../consumers/keys.ts'
import { readEnd, readSeconds, tellSecret } from '../consumers/options.ts'
import { EXIT } from '../exit-codes.ts'
import { printJson } from '../output.ts'
import { renderTable } from '../render/table.ts'
import { reportRollout, WAIT_OPTIONS, writeAndWait } from '../rollout.ts'

const CONSUMER = { consumer: { describe: 'whose key', required: true } } as const
const KEY = { ...CONSUMER, key: { describe: 'its name', required: true } } as const
const END_OPTIONS = {
  ttl: { type: 'string', describe: 'good for this long: 90d, 12h, 30m; default without end' },
  expires: { type: 'string', describe: 'good until then: 2030-01-31T12:00:00Z' },
} as const

const CREATE = defineCommand({
  usage: 'key create <consumer>',
  summary: 'Make an API key, and print it once',
  examples: [
    ['raftway key create alice --wait > alice.key', 'The key alone on stdout; good everywhere'],
    ['raftway key create alice --name ci --ttl 90d', 'With a name and an end'],
  ],
  positionals: CONSUMER,
  options: {
    name: { type: 'string', describe: 'unique among the keys of the consumer; default key-1 …' },
    ...END_OPTIONS,
    ...WAIT_OPTIONS,
    ...CONTROL_OPTION,
    ...OUTPUT_OPTION,
  },
  run: async (args, terminal) => {
    const body = { name: args.name, ...endOf(args) }
    const made = await withClient(args, terminal, (client) =>
      makeKey({ client, terminal }, keysPath(args.consumer), { body, args }),
    )
    if (args.output === 'json') printJson(terminal, made)
    else tellSecret(terminal, made.secret ?? '', `key ${made.key.name} of ${args.consumer}`)
    return reportRollout(made.rollout, terminal)
  },
})

const ROTATE = defineCommand({
  usage: 'key rotate <consumer> <key>',
  summary: 'Make a key in place of another, which goes on for a while',
  examples: [
    ['raftway key rotate alice key-1', 'The old key ends in a day'],
    ['raftway key rotate alice key-1 --overlap 0 --wait', 'It ends now'],
  ],
  positionals: KEY,
  options: {
    overlap: {
      type: 'string',
      default: '1d',
      describe: 'how long the old key goes on; 0: not at all',
    },
    name: { type: 'string', describe: 'of the new key; default the old one’s with a number' },
    ...END_OPTIONS,
    ...WAIT_OPTIONS,
    ...CONTROL_OPTION,
    ...OUTPUT_OPTION,
  },
  run: async (args, terminal) => {
    const overlapSeconds = readSeconds('--overlap', args.overlap)
    const body = { name: args.name, overlapSeconds, ...endOf(args) }
    const path = keysPath(args.consumer, args.key, 'rotate')
    const made = await withClient(args, terminal, (client) =>
      makeKey({ client, terminal }, path, { body, args }),
    )
    if (args.output === 'json') printJson(terminal, made)
    else {
      tellSecret(terminal, made.secret ?? '', `key ${made.key.name} of ${args.consumer}`)
      terminal.say(`key ${args.key} ends ${made.previous?.expiresAt ?? 'by itself'}`)
    }
    return reportRollout(made.rollout, terminal)
  },
})

const REVOKE = defineCommand({
  usage: 'key revoke <consumer> <key>',
  summary: 'Take a key out of use',
  examples: [['raftway key revoke alice key-1 --wait', 'Return when every gateway refuses it']],
  positionals: KEY,
  options: { ...WAIT_OPTIONS, ...CONTROL_OPTION, ...OUTPUT_OPTION },
  run: async (args, terminal) => {
    const path = keysPath(args.consumer, args.key)
    const call = { method: 'DELETE', path, schema: deleteAnswer } as const
    const answer = await withClient(args, terminal, (client) =>
      writeAndWait({ client, terminal }, call, args),
    )
    if (args.output === 'json') printJson(terminal, answer)
    else terminal.out(`key ${args.key} of ${args.consumer} revoked\n`)
    return reportRollout(answer.rollout, terminal)
  },
})

const LIST = defineCommand({
  usage: 'key list <consumer>',
  summary: 'List the keys of a consumer, and whether they still work',
  examples: [['raftway key list alice', 'How each begins and ends; a key itself is never shown']],
  positionals: CONSUMER,
  options: { ...CONTROL_OPTION, ...OUTPUT_OPTION },
  run: async (args, terminal) => {
    const path = keysPath(args.consumer)
    const found = await withClient(args, terminal, (client) =>
      client.call({ method: 'GET', path }, keysAnswer),
    )
    if (args.output === 'json') printJson(terminal, found)
    else if (found.items.length > 0) terminal.out(keyTable(found.items, Date.now()))
    else terminal.say(`${args.consumer} has no key`)
    return EXIT.ok
  },
})

/** `raftway key …`: what consumers call with. */
export const KEY_COMMANDS = [CREATE, ROTATE, REVOKE, LIST]

/** Keys for people: no hashes. */
export function keyTable(keys: readonly KeyAnswer[], nowMs: number): string {
  return renderTable(
    ['NAME', 'KEY', 'STATE', 'CREATED', 'EXPIRES'],
    keys.map((key) => [
      key.name,
      keyText(key),
      keyState(key, nowMs),
      key.createdAt ?? '',
      key.expiresAt ?? 'never',
    ]),
  )
}

function endOf(args: { readonly ttl: string | undefined; readonly expires: string | undefined }): {
  readonly ttlSeconds?: number
  readonly expiresAt?: string
} {
  return {
    ...(args.ttl === undefined ? {} : { ttlSeconds: readSeconds('--ttl', args.ttl) }),
    ...(args.expires === undefined
      ? {}
      : { expiresAt: readEnd('--expires', args.expires, Date.now()) }),
  }
}
