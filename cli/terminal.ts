import picocolors from 'picocolors'
import type { Terminal } from './command.ts'

/** One Ctrl-C can reach a process twice: from the terminal, and passed on by npm or by the launcher. */
const SAME_SIGNAL_MS = 200

/** This process's own streams and signals, as a command sees them. */
export function ownTerminal(): Terminal {
  process.stdout.on('error', endQuietly)
  process.stderr.on('error', endQuietly)
  return {
    out: (text) => void process.stdout.write(text),
    say: (message) => void process.stderr.write(`${message}\n`),
    stdin: process.stdin,
    env: process.env,
    cwd: process.cwd(),
    // On a pipe `isTTY` is not false but missing.
    hasColour: isTerminal(process.stdout) && picocolors.isColorSupported,
    isInteractive: isTerminal(process.stderr),
    takeStop: takeSignals,
    onHangUp: (hear) => process.on('SIGHUP', hear),
  }
}

function isTerminal(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true
}

function takeSignals(): AbortSignal {
  const stop = new AbortController()
  let firstMs: number | null = null
  const onSignal = (): void => {
    if (firstMs === null) {
      firstMs = performance.now()
      stop.abort()
    } else if (performance.now() - firstMs > SAME_SIGNAL_MS) {
      process.exit(1)
    }
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return stop.signal
}

/** A reader that has seen enough (`raftway get apis | head -1`) is no failure. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
}
