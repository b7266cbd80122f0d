import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../shared/errors.ts'
import { VERSION } from '../shared/version.ts'

const ROOT = join(import.meta.dirname, '..')

test('ERRORS.md lists exactly the codes, with status, blame, retry and title', () => {
  const rows = readFileSync(join(ROOT, 'ERRORS.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  const expected = Object.entries(ERROR_CODES).map(([code, { status, blame, retry, title }]) => [
    `\`${code}\``,
    String(status),
    blame,
    retry,
    title,
  ])
  expect(rows.map((row) => row.slice(0, 5))).toEqual(expected)
  // The last column says what to do; a row without it helps nobody.
  expect(rows.filter((row) => (row[5] ?? '') === '')).toEqual([])
})

test('the version in the code is the version of the package', () => {
  const manifest: unknown = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  expect(manifest).toMatchObject({ version: VERSION })
})
