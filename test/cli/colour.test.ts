import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const RAFTWAY = join(import.meta.dirname, '../../bin/raftway.js')

test('output into a pipe has no colours, also where a build server asks for them', () => {
  const manifest = join(import.meta.dirname, '../../examples/petstore.yaml')
  const env = { ...process.env, CI: 'true', FORCE_COLOR: '1' }
  const args = [RAFTWAY, 'explain', 'GET', 'http://api.example.com/pets/7', '-f', manifest]
  const text = execFileSync(process.execPath, args, { env, encoding: 'utf8' })
  expect(text).toContain('Api/petstore')
  expect(text).not.toContain('\u001b')
})
