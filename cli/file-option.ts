import type { OptionSpecs } from './command.ts'
import { UsageError } from './failures.ts'

/** Files of definitions. */
export const FILE_OPTION = {
  file: {
    type: 'list',
    alias: 'f',
    describe: 'a YAML or JSON file, a folder of them, or - for standard input; may be repeated',
  },
} as const satisfies OptionSpecs

/** The files that `-f` names, at least one. Throws UsageError. */
export function requireFiles(files: readonly string[] | undefined): readonly string[] {
  if (files !== undefined && files.length > 0) return files
  throw new UsageError('name a file with -f PATH, or -f - for standard input')
}
