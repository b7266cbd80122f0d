import { parseDefinition } from '../../shared/definitions/parse.ts'
import { describeError } from '../../shared/errors.ts'
import { QUARANTINE_REASON_CHARS_MAX } from '../../shared/limits.ts'

/**
 * Why a definition's text cannot be used by this version, or null. Loads the schemas, and zod with them: imported only
 * when a node of another version, or an older file, must be doubted.
 */
export function checkText(text: string): string | null {
  try {
    const parsed = parseDefinition(JSON.parse(text))
    if (parsed.ok) return null
    const reason = parsed.issues.map(({ path, message }) => `${path}: ${message}`).join('; ')
    return reason.slice(0, QUARANTINE_REASON_CHARS_MAX)
  } catch (error) {
    return `not JSON: ${describeError(error)}`.slice(0, QUARANTINE_REASON_CHARS_MAX)
  }
}
