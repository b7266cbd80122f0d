// What is seen of a process from outside.
import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'

/** Processor time that its threads have used, in microseconds. `stat` would count it in steps of 10 ms. */
export function cpuUsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`
  const ns = readdirSync(tasks).map((task) => {
    const [used] = readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ', 1)
    return Number(used)
  })
  return ns.reduce((sum, one) => sum + one, 0) / 1_000
}

/** What it holds in memory. MB. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024
}

/** Whether an url is answered with 200, asked over a connection of its own. */
export function answersOk(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode === 200))
    })
    request.on('error', () => resolve(false))
  })
}
