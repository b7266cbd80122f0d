import { expect, test } from 'vitest'
import { parseDefinition, withRevision } from '../../../shared/definitions/parse.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { definitionText } from '../../../shared/definitions/text.ts'
import { DEFINITION_TEXTS_CHARS_KEPT } from '../../../shared/limits.ts'

function upstream(revision: number, label: string): Definition {
  const parsed = parseDefinition({
    kind: 'Upstream',
    name: 'u',
    labels: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`note-${at}`, label])),
    spec: { targets: [{ url: 'http://10.0.0.1:9000' }] },
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return withRevision(parsed.value, { revision, createdRevision: 1 })
}

test('the text is the JSON of each definition, however many come in between and in whatever order', () => {
  const label = 'ä'.repeat(60)
  const count = Math.ceil((2.5 * DEFINITION_TEXTS_CHARS_KEPT) / (20 * 60))
  const definitions = Array.from({ length: count }, (_, at) => upstream(at + 1, label))
  const isRight = (one: Definition) => definitionText(one) === JSON.stringify(one)
  expect(definitions.every(isRight)).toBe(true)
  expect(definitions.toReversed().every(isRight)).toBe(true)
  expect(definitions.every((one) => isRight(one) && isRight(one))).toBe(true)
})

test('two forms of one definition never share a text', () => {
  const [before, after] = [upstream(1, 'a'), upstream(2, 'a')]
  expect(definitionText(before)).not.toBe(definitionText(after))
  expect(definitionText(upstream(1, 'a'))).toBe(definitionText(before))
})
