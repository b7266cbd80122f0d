import { readFile } from 'node:fs/promises'
import { describeError } from '../../shared/errors.ts'
import { parseToken } from '../../shared/token-text.ts'
import { UsageError } from '../failures.ts'

/** The token of an option that takes its text or `@FILE`; null when it is not given. UsageError never repeats it. */
export async function readTokenOption(
  option: string,
  given: string | undefined,
): Promise<string | null> {
  if (given === undefined) return null
  const file = given.startsWith('@') ? given.slice(1) : null
  const text = file === null ? given : await textOf(option, file)
  if (parseToken(text.trim()) !== null) return text.trim()
  throw new UsageError(`${option} holds no token: one comes from "raftway token create"`)
}

async function textOf(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`the file of ${option} cannot be read: ${describeError(error)}`)
  }
}
