import { Readable } from 'node:stream'
import type { Terminal } from '../../cli/command.ts'
import { runCommandLine } from '../../cli/run.ts'

/** How one command line ended: its exit code, and what it wrote where. */
export type Ran = { readonly exit: number; readonly out: string; readonly said: string }

/** What a test may set of the process that a command believes to be in. */
export type Around = {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stop?: AbortSignal
  /** Hears stdout while the command runs. */
  readonly onOut?: (text: string) => void
}

/** A terminal that keeps what is written to it. */
function keepingTerminal(around: Around = {}): {
  readonly terminal: Terminal
  readonly out: string[]
  readonly said: string[]
} {
  const out: string[] = []
  const said: string[] = []
  const terminal: Terminal = {
    out(text) {
      out.push(text)
      around.onOut?.(text)
    },
    say: (message) => void said.push(message),
    stdin: Readable.from(around.stdin === undefined ? [] : [Buffer.from(around.stdin)]),
    env: around.env ?? {},
    cwd: around.cwd ?? process.cwd(),
    hasColour: false,
    isInteractive: false,
    takeStop: () => around.stop ?? new AbortController().signal,
    onHangUp: () => {},
  }
  return { terminal, out, said }
}

/** Runs `raftway ARGV` in this process. */
export async function raftway(argv: readonly string[], around: Around = {}): Promise<Ran> {
  const { terminal, out, said } = keepingTerminal(around)
  const exit = await runCommandLine(argv, terminal)
  return { exit, out: out.join(''), said: said.join('\n') }
}
