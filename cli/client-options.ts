import type { OptionSpecs, Terminal } from './command.ts'
import { ControlClient } from './client.ts'
import { UsageError } from './failures.ts'
import { readTrust } from './trust.ts'
import { readToken, TOKEN_OPTIONS, type TokenArguments } from './token-option.ts'

/** Where the control plane is: every client command has it. */
export const CONTROL_OPTION = {
  control: {
    type: 'string',
    default: 'http://127.0.0.1:7400',
    describe: 'API urls of control-plane nodes, separated by commas, tried in turn',
  },
  ca: {
    type: 'string',
    describe: 'PEM file: whom to believe over https; default whom the token names, or the system’s',
  },
  ...TOKEN_OPTIONS,
} as const satisfies OptionSpecs

/** Text for people, or JSON for programs. */
export const OUTPUT_OPTION = {
  output: {
    type: 'string',
    alias: 'o',
    choices: ['text', 'json'],
    default: 'text',
    describe: 'text for people; json prints machine-readable output on stdout and nothing else',
  },
} as const satisfies OptionSpecs

/** What `CONTROL_OPTION` gives a command. */
export type ClientArguments = TokenArguments & {
  readonly control: string
  readonly ca: string | undefined
}

/** Runs `work` with a client of the named nodes, and closes the client whatever happens. Throws UsageError. */
export async function withClient<T>(
  args: ClientArguments,
  terminal: Pick<Terminal, 'say'>,
  work: (client: ControlClient) => Promise<T>,
): Promise<T> {
  const urls = readControlUrls(args.control)
  const token = await readToken(args)
  const client = new ControlClient({
    urls,
    token,
    ca: await readTrust({ ca: args.ca, token, urls }),
    say: (message) => terminal.say(message),
  })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** The urls of `--control`, without what follows the port. A bare `HOST:PORT` is taken for http. Throws UsageError. */
export function readControlUrls(text: string): readonly string[] {
  const urls = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => (part.includes('://') ? part : `http://${part}`))
  if (urls.length === 0) throw new UsageError('--control names no url')
  return urls.map((part) => {
    const url = URL.parse(part)
    const isBare = url?.pathname === '/' && url.search === '' && url.hash === ''
    if (url !== null && isBare && /^https?:$/.test(url.protocol)) return url.origin
    throw new UsageError(`--control must be http://HOST:PORT, not "${part}"`)
  })
}
