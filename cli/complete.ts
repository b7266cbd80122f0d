import { KIND_NAMES } from '../shared/definitions/kinds.ts'
import type { Command } from './command.ts'

/**
 * What may stand for the last of `words`, which follow `raftway` on a command line that is being typed: commands,
 * options, values of an option, kinds. In order, without repeats; empty when files are the best guess.
 */
export function completeWords(
  words: readonly string[],
  commands: readonly Command[],
): readonly string[] {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const plain = before.filter((word) => !word.startsWith('-'))
  const command = commands.find(({ path }) => isPrefix(path.split(' '), plain))
  const candidates =
    command === undefined ? nextWords(plain, commands) : afterCommand(command, before, current)
  return [...new Set(candidates)].filter((word) => word.startsWith(current))
}

function nextWords(plain: readonly string[], commands: readonly Command[]): readonly string[] {
  const next = commands
    .map(({ path }) => path.split(' '))
    .flatMap((path) => (isPrefix(plain, path) ? path.slice(plain.length, plain.length + 1) : []))
  return plain.length === 0 ? [...next, '--help', '--version'] : next
}

function afterCommand(
  command: Command,
  before: readonly string[],
  current: string,
): readonly string[] {
  const last = before.at(-1) ?? ''
  const option = Object.entries(command.options).find(
    ([name, { alias }]) => last === `--${name}` || (alias !== undefined && last === `-${alias}`),
  )?.[1]
  if (option !== undefined && option.type !== 'boolean') return option.choices ?? []
  if (current.startsWith('-')) {
    return [...Object.keys(command.options), 'help'].map((name) => `--${name}`)
  }
  const depth = command.path.split(' ').length
  const given = before.filter((word) => !word.startsWith('-')).length - depth
  const positional = Object.keys(command.positionals)[given]
  return positional === 'kind' ? KIND_NAMES.map((kind) => kind.toLowerCase()) : []
}

function isPrefix(prefix: readonly string[], words: readonly string[]): boolean {
  return prefix.every((word, at) => word === words[at])
}
