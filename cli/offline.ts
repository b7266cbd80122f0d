import { ERROR_CODES, isRaftwayError } from '../shared/errors.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { CommandFailure } from './failures.ts'

/** Runs what works on files of this machine; its refusals end the command as those of a node would. */
export async function offline<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isRaftwayError(error)) throw error
    const { code, message } = error
    const exitCode = exitCodeOf({ code, status: ERROR_CODES[code].status })
    const from = code === 'DATA_DIRECTORY_IN_USE' ? EXIT.conflict : exitCode
    throw new CommandFailure(from, `${code}: ${message}`, error)
  }
}
