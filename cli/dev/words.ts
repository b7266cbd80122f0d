import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Terminal } from '../command.ts'

/** How a person in the present folder calls this command: with npx where that finds it, else by name or by path. */
export function commandPrefix({ cwd, env }: Pick<Terminal, 'cwd' | 'env'>): string {
  if (isCheckout(cwd) || existsSync(join(cwd, 'node_modules', '.bin', 'raftway'))) {
    return 'npx raftway'
  }
  const folders = (env['PATH'] ?? '').split(delimiter)
  if (folders.some((folder) => folder !== '' && existsSync(join(folder, 'raftway'))))
    return 'raftway'
  return shellWords([process.execPath, launcher()])
}

/** Words for a POSIX shell, quoted where they need it. */
export function shellWords(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ')
}

/** A path as somebody in `cwd` writes it: relative below that folder, absolute elsewhere. */
export function pathFrom(cwd: string, path: string): string {
  const near = relative(cwd, path)
  if (near === '') return '.'
  return near.startsWith('..') ? path : near
}

function isCheckout(folder: string): boolean {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return (manifest as { name?: unknown }).name === 'raftway'
  } catch {
    return false
  }
}

/** bin/raftway.js: beside `cli/` in a checkout, one folder further up in the compiled package. */
function launcher(): string {
  return fileURLToPath(new URL('bin/raftway.js', packageRoot()))
}

/** The folder of this package, with a slash at its end. */
export function packageRoot(): URL {
  const near = new URL('../../', import.meta.url)
  return existsSync(new URL('package.json', near)) ? near : new URL('../../../', import.meta.url)
}
