import { readFile } from 'node:fs/promises'
import { readSealKeys, type SealKeys } from '../../shared/definitions/seal.ts'
import { describeError } from '../../shared/errors.ts'
import type { OptionSpecs, Terminal } from '../command.ts'
import { UsageError } from '../failures.ts'

/** Where a node finds the keys that seal secrets. */
export const SEAL_KEY_OPTION = {
  'seal-key': {
    type: 'string',
    describe:
      'file with keys that seal secrets: 32 bytes a line as base64 or hex; the first seals, all open. ' +
      'Or RAFTWAY_SEAL_KEY_FILE, or the keys themselves in RAFTWAY_SEAL_KEY',
  },
} as const satisfies OptionSpecs

/** The keys of a command line without `--seal-key` come from its environment. Throws UsageError, never with a key. */
export async function readSealKeyOption(
  argv: string | undefined,
  env: Terminal['env'],
): Promise<SealKeys> {
  // The parser takes RAFTWAY_SEAL_KEY for the option: it holds keys, where the option names a file.
  const inline = env['RAFTWAY_SEAL_KEY']
  const isInline = inline !== undefined && inline !== '' && argv === inline
  if (isInline) return parsed(inline.replaceAll(',', '\n'), 'RAFTWAY_SEAL_KEY')
  const file = argv ?? env['RAFTWAY_SEAL_KEY_FILE']
  if (file === undefined || file === '') return []
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`the seal key file cannot be read: ${describeError(error)}`)
  }
  return parsed(text, file)
}

function parsed(text: string, place: string): SealKeys {
  const read = readSealKeys(text)
  if (read.ok) return read.keys
  throw new UsageError(`${place}: ${read.message}`)
}
