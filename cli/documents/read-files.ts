import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError } from '../../shared/errors.ts'
import { INPUT_BYTES_MAX, INPUT_DEPTH_MAX, INPUT_FILES_MAX } from '../../shared/limits.ts'
import { UsageError } from '../failures.ts'

/** One input text. `file` is the path as it was given or found; `<stdin>` for standard input. */
export type InputText = { readonly file: string; readonly text: string }

const EXTENSION = /\.(ya?ml|json)$/i

/**
 * Reads what `-f` names: files as they are, folders recursively for *.yaml, *.yml and *.json in order of name (hidden
 * ones left out), `-` for standard input, once. Throws UsageError for what cannot be read or is too large.
 */
export async function readInputs(
  paths: readonly string[],
  stdin: AsyncIterable<Uint8Array | string>,
): Promise<readonly InputText[]> {
  const inputs: InputText[] = []
  if (paths.filter((path) => path === '-').length > 1) {
    throw new UsageError('standard input (-f -) can be read only once')
  }
  for (const path of paths) {
    if (path === '-') inputs.push({ file: '<stdin>', text: await readStream(stdin) })
    else for (const file of await findFiles(path)) inputs.push({ file, text: await readText(file) })
  }
  return inputs
}

async function findFiles(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}: ${describeError(error)}`)
  })
  if (!found.isDirectory()) return [path]
  const files: string[] = []
  await walk(path, 0, files)
  if (files.length === 0) throw new UsageError(`${path} holds no *.yaml, *.yml or *.json file`)
  return files
}

async function walk(folder: string, depth: number, files: string[]): Promise<void> {
  if (depth > INPUT_DEPTH_MAX) {
    throw new UsageError(
      `${folder} lies more than ${INPUT_DEPTH_MAX} folders deep (INPUT_DEPTH_MAX)`,
    )
  }
  const entries = await readdir(folder, { withFileTypes: true })
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue
    const path = join(folder, entry.name)
    const kind = entry.isSymbolicLink() ? await stat(path) : entry
    if (kind.isDirectory()) await walk(path, depth + 1, files)
    else if (kind.isFile() && EXTENSION.test(entry.name)) files.push(path)
    if (files.length > INPUT_FILES_MAX) {
      throw new UsageError(`${folder} holds more than ${INPUT_FILES_MAX} files (INPUT_FILES_MAX)`)
    }
  }
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size <= INPUT_BYTES_MAX) return decode(await readFile(file), file)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`cannot read ${file}: ${describeError(error)}`)
  }
  throw tooLarge(file)
}

async function readStream(stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of stream) {
    const part = typeof piece === 'string' ? Buffer.from(piece) : piece
    bytes += part.length
    if (bytes > INPUT_BYTES_MAX) throw tooLarge('<stdin>')
    pieces.push(part)
  }
  return decode(Buffer.concat(pieces), '<stdin>')
}

/** Text in UTF-8, without a byte order mark. */
function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new UsageError(`${file} is not UTF-8 text`)
  }
}

function tooLarge(file: string): UsageError {
  return new UsageError(`${file} is larger than ${INPUT_BYTES_MAX} bytes (INPUT_BYTES_MAX)`)
}
