import { parseDocument } from 'yaml'
import { expect, test } from 'vitest'
import { withoutSource } from '../../shared/yaml-message.ts'

test.each([
  'a: *hunter2\n',
  '  - x\n hunter2\n- hunter2',
  'a: |hunter2\n x',
  'key: "\\u12hunter2"',
  'a: "x"\n"hunter2',
  'a: "\\hunter2',
  '] hunter2',
  '- - - a\n  : hunter2: {',
])('what is said of %j has no word of it', (text) => {
  const document = parseDocument(text, { prettyErrors: false })
  const messages = document.errors.map((error) => error.message)
  try {
    document.toJS()
  } catch (error) {
    messages.push(String(error))
  }
  expect(messages).not.toEqual([])
  for (const message of messages) expect(withoutSource(message)).not.toMatch(/hun/)
})

test('what is said of everything else stays', () => {
  expect(withoutSource('Missing closing "quote')).toBe('Missing closing "quote')
})
