// Closed loops: so many clients, each with one call under way, for so long.
import { readFileSync } from 'node:fs'

/** One client of one side. */
export type Client = {
  /** Makes the `at`-th call of the run and resolves when it was answered well. */
  call(at: number): Promise<void>
  close(): void
}

export type LoadResult = {
  readonly ratePerSecond: number
  readonly latenciesMs: readonly number[]
  /** Processor time of the processes asked for, a call. */
  readonly cpuMs: number
  readonly failures: number
}

/** Time before measuring: connections are warm, and what was compiled late is compiled. */
const WARM_UP_MS = 500

/** Runs the clients until `ms` have passed, and counts what was answered after the warm-up. */
export async function runLoad(
  clients: readonly Client[],
  ms: number,
  pids: readonly number[],
): Promise<LoadResult> {
  const latenciesMs: number[] = []
  let next = 0
  let failures = 0
  const beginMs = performance.now() + WARM_UP_MS
  const endMs = beginMs + ms
  const loop = async (client: Client): Promise<void> => {
    for (;;) {
      const sentMs = performance.now()
      if (sentMs >= endMs) return
      try {
        await client.call(next++)
      } catch {
        failures++
        continue
      }
      const answeredMs = performance.now()
      if (answeredMs >= beginMs && answeredMs < endMs) latenciesMs.push(answeredMs - sentMs)
    }
  }
  const running = clients.map(loop)
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS))
  const cpuBefore = cpuMsOf(pids)
  await new Promise((resolve) => setTimeout(resolve, endMs - performance.now()))
  const cpuMs = (cpuMsOf(pids) - cpuBefore) / Math.max(1, latenciesMs.length)
  await Promise.all(running)
  return { ratePerSecond: (latenciesMs.length / ms) * 1_000, latenciesMs, cpuMs, failures }
}

/** Processor time that processes have used so far. Milliseconds; 10 ms steps, as Linux counts. */
export function cpuMsOf(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks * 10
}
