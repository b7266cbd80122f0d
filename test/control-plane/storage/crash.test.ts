// A process writes as fast as it can and says what was acknowledged; it is killed in the middle, opened again, and
// goes on, several times. Everything that it said must be there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import { ConfigHash } from '../../../shared/config-hash.ts'
import { bootstrapped, logText, openStore, temporaryDirectory } from './samples.ts'

/** Runs the writer until it said `lines` lines, kills it, and returns every line that it said. */
async function writeAndKill(dir: string, lines: number): Promise<string[]> {
  const script = new URL('./writer-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const said: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line)
    if (said.length === lines) child.kill('SIGKILL')
  }
  await exited
  return said
}

test('nothing that was acknowledged is lost when the process is killed', async () => {
  const dir = await temporaryDirectory()
  await (await bootstrapped(dir)).close()
  let lastIndex = 1
  for (const lines of [150, 301, 77]) {
    const said = await writeAndKill(dir, lines)
    expect(said.length).toBeGreaterThanOrEqual(lines)
    const persisted = Number(said.findLast((line) => line.startsWith('persisted'))?.split(' ')[1])
    const [, applied, revision, hash] =
      said.findLast((line) => line.startsWith('applied'))?.split(' ') ?? []
    expect(persisted).toBeGreaterThan(lastIndex)
    const store = await openStore(dir)
    lastIndex = store.log.lastIndex()
    expect(lastIndex).toBeGreaterThanOrEqual(persisted)
    expect(logText(store).at(-1)).toBe(`${lastIndex}/1/entry ${lastIndex}`)
    const { restored } = store
    expect(restored.appliedIndex).toBeGreaterThanOrEqual(Number(applied))
    expect(restored.revision).toBeGreaterThanOrEqual(Number(revision))
    const hashThen = restored.revision === Number(revision) ? restored.hash : hash
    expect(hashThen).toBe(hash)
    const sum = new ConfigHash()
    for (const definition of restored.definitions) sum.add(JSON.stringify(definition))
    expect(sum.toHex()).toBe(restored.hash)
    const history = await store.past.history({ after: 0, upTo: restored.revision, limit: 100_000 })
    expect(history.length).toBe(restored.revision)
    expect(
      await store.past.configAt(restored.revision, ReplicatedState.restore(restored)),
    ).toHaveLength(restored.definitions.length)
    await store.close()
  }
})
