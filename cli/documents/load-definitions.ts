import { definitionKey } from '../../shared/changes.ts'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { parseDefinition } from '../../shared/definitions/parse.ts'
import type { Issue } from '../../shared/errors.ts'
import type { Terminal } from '../command.ts'
import { InvalidInput, UsageError, type PlacedIssue } from '../failures.ts'
import { readInputs } from './read-files.ts'
import { splitText, type Candidate } from './split-text.ts'

/** A checked definition from a file. */
export type LoadedDefinition = {
  readonly definition: DefinitionInput
  /** `file:line:column` of the part at a dotted path (`spec.routes.0`); the empty path is the definition itself. */
  readonly place: (path: string) => string
}

/**
 * Reads and checks every definition that the `-f` options name, in the order given. Throws UsageError when a file
 * cannot be read or a definition comes twice, and InvalidInput with every issue of every file.
 */
export async function loadDefinitions(
  paths: readonly string[],
  terminal: Pick<Terminal, 'stdin'>,
): Promise<readonly LoadedDefinition[]> {
  const loaded: LoadedDefinition[] = []
  const issues: PlacedIssue[] = []
  for (const input of await readInputs(paths, terminal.stdin)) {
    const split = splitText(input)
    issues.push(...split.issues)
    for (const candidate of split.candidates) {
      const parsed = parseDefinition(candidate.value)
      if (parsed.ok) loaded.push({ definition: parsed.value, place: candidate.place })
      else issues.push(...parsed.issues.map((issue) => placed(issue, candidate)))
    }
  }
  if (issues.length > 0) throw new InvalidInput(issues)
  refuseRepeats(loaded)
  return loaded
}

function placed(issue: Issue, candidate: Candidate): PlacedIssue {
  return { ...issue, place: candidate.place(issue.path) }
}

function refuseRepeats(loaded: readonly LoadedDefinition[]): void {
  const first = new Map<string, LoadedDefinition>()
  const repeats: string[] = []
  for (const item of loaded) {
    const key = definitionKey(item.definition.kind, item.definition.name)
    const earlier = first.get(key)
    if (earlier === undefined) first.set(key, item)
    else repeats.push(`${key} comes twice: ${earlier.place('')} and ${item.place('')}`)
  }
  if (repeats.length > 0) throw new UsageError(repeats.join('\n'))
}
