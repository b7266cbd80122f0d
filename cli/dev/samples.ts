import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot, pathFrom } from './words.ts'

/** The port that the examples send requests to. */
const EXAMPLES_PORT = 9000

/**
 * A folder of examples whose target is the one that runs, as seen from `cwd`: the package's own when the target has
 * its usual port and they lie below `cwd`, else copies in `dataDir`.
 */
export async function placeSamples(dataDir: string, target: number, cwd: string): Promise<string> {
  const source = fileURLToPath(new URL('examples', packageRoot()))
  const near = pathFrom(cwd, source)
  const isBelow = near !== source && !near.includes('node_modules')
  if (target === EXAMPLES_PORT && isBelow) return near
  const copies = join(dataDir, 'examples')
  await mkdir(copies, { recursive: true })
  for (const name of await readdir(source)) {
    const text = await readFile(join(source, name), 'utf8')
    await writeFile(join(copies, name), text.replaceAll(`:${EXAMPLES_PORT}`, `:${target}`))
  }
  return pathFrom(cwd, resolve(cwd, copies))
}
