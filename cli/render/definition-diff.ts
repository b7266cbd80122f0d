import { definitionYaml } from '../output.ts'
import type { Comparable } from '../plan.ts'
import type { Colours } from './colour.ts'
import { diffLines, withContext } from './line-diff.ts'
import { printable } from './table.ts'

const CONTEXT_LINES = 3

/** What differs in one definition. `before` is null when it is new, `after` when it is gone. */
export type DefinitionDifference = {
  readonly op: 'added' | 'changed' | 'removed'
  readonly kind: string
  readonly name: string
  readonly before: Comparable | null
  readonly after: Comparable | null
}

/** One difference as people read it: a heading, and the lines that went and came, as YAML. */
export function renderDifference(difference: DefinitionDifference, colours: Colours): string {
  const { op, kind, name, before, after } = difference
  const sign = { added: '+', changed: '~', removed: '-' }[op]
  const paint = { added: colours.green, changed: colours.yellow, removed: colours.red }[op]
  const lines = diffLines(
    before === null ? '' : definitionYaml(before),
    after === null ? '' : definitionYaml(after),
  )
  const body = withContext(lines, CONTEXT_LINES).map((line) => {
    if (line === null) return colours.dim('  …')
    const text = printable(line.text)
    if (line.type === 'added') return colours.green(`+ ${text}`)
    return line.type === 'removed' ? colours.red(`- ${text}`) : `  ${text}`
  })
  return [colours.bold(paint(printable(`${sign} ${kind}/${name}`))), ...body, ''].join('\n')
}
