import { readFileSync } from 'node:fs'

/** What npm says it runs when it runs this command itself, and not something that runs this command. */
const RUN_BY_NPM = new Set(['npx', 'start'])

/** How often npm is looked for. */
const LOOK_MS = 200

/**
 * Ends this process with whatever stands between it and the one who started it, so that stopping or killing the outer
 * process stops or kills the inner one:
 *
 * - the launcher and `raftway dev` ask for it by RAFTWAY_PARENT=ipc: when their channel closes, they are gone;
 * - npm (`npx raftway`, `npm start`) runs a shell that runs us. A signal to npm ends that shell and reaches nobody
 *   else, so a lost shell counts as SIGTERM; and npm gone while the shell remains means that it was killed.
 */
export function followParent(): void {
  if (process.env['RAFTWAY_PARENT'] === 'ipc' && process.channel !== undefined) {
    process.on('disconnect', () => process.exit(1))
    // Listening must not keep a command that is done alive.
    process.channel.unref()
  } else if (RUN_BY_NPM.has(process.env['npm_lifecycle_event'] ?? '')) {
    followNpm()
  }
  delete process.env['RAFTWAY_PARENT']
}

function followNpm(): void {
  const shell = process.ppid
  const npm = parentOf(shell)
  const timer = setInterval(() => {
    if (process.ppid !== shell) {
      clearInterval(timer)
      process.kill(process.pid, 'SIGTERM')
    } else if (npm !== null && parentOf(shell) !== npm) {
      process.kill(process.pid, 'SIGKILL')
    }
  }, LOOK_MS)
  timer.unref()
}

/** The parent of another process; null where /proc does not tell. */
function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // PID (NAME) STATE PPID: a name may hold spaces and brackets.
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(parent)
  } catch {
    return null
  }
}
