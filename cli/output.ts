import { stringify } from 'yaml'
import type { Terminal } from './command.ts'
import { userPart, type Comparable } from './plan.ts'

/** One JSON value on stdout, readable, with a final newline. */
export function printJson(terminal: Pick<Terminal, 'out'>, value: unknown): void {
  terminal.out(`${JSON.stringify(value, null, 2)}\n`)
}

/** One definition as people write it: YAML without the numbers that the cluster gives. */
export function definitionYaml(definition: Comparable): string {
  return stringify(userPart(definition), { lineWidth: 100 })
}

/** Several definitions as one YAML text that can be applied as it is. */
export function definitionsYaml(definitions: readonly Comparable[]): string {
  return definitions.map((definition) => definitionYaml(definition)).join('---\n')
}

/** `3 created, 1 unchanged`: counts by word, in the order of their first appearance. */
export function countWords(words: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ')
}
