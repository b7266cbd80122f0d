import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  DefinitionsDirectory,
  type DirectoryConfig,
} from '../../../gateway/config/definitions-dir.ts'
import { readableJson } from '../../../shared/canonical-json.ts'
import type { Logger } from '../../../shared/logger.ts'
import { until } from '../support/until.ts'

let directory: string
let reader: DefinitionsDirectory | null = null
let configs: DirectoryConfig[]
let errors: { readonly fields: object; readonly message: string }[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'raftway-definitions-'))
  configs = []
  errors = []
})

afterEach(async () => {
  await reader?.stop()
  await rm(directory, { recursive: true })
})

async function start(): Promise<void> {
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (fields, message) => void errors.push({ fields, message }),
  }
  reader = new DefinitionsDirectory(directory, logger, (config) => void configs.push(config))
  await reader.start()
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(join(directory, path, '..'), { recursive: true })
  await writeFile(join(directory, path), text)
}

function definition(name: string, path: string): object {
  const upstream = { targets: [{ url: 'http://127.0.0.1:1' }] }
  return { kind: 'Api', name, spec: { routes: [{ path }], upstream } }
}

function names(): string[] {
  return (configs.at(-1)?.texts ?? []).map((text) => (JSON.parse(text) as { name: string }).name)
}

test('files as nodes write them, with their revision', async () => {
  const numbers = { revision: 41, createdRevision: 7 }
  await write('api/a.json', readableJson({ ...definition('a', '/a'), ...numbers }))
  await write('api/b.json', readableJson({ ...definition('b', '/b'), ...numbers }))
  await write('REVISION', '42\n')
  await start()
  expect(configs).toHaveLength(1)
  expect(configs[0]?.revision).toBe(42)
  expect(JSON.parse(configs[0]?.texts[0] ?? '')).toMatchObject(numbers)
})

test('files as people write them: YAML, several in one, anywhere below', async () => {
  await write(
    'team/pets.yaml',
    'kind: Api\nname: a\nspec:\n  routes: [{ path: /a }]\n  upstream: u\n',
  )
  await write(
    'more.yml',
    'kind: Upstream\nname: u\nspec: { targets: [{ url: "http://h:1" }] }\n---\nkind: Api\nname: b\nspec: { routes: [{ path: /b }], upstream: u }\n',
  )
  await write('notes.txt', 'not read')
  await start()
  expect(names().toSorted()).toEqual(['a', 'b', 'u'])
})

test('a change of a file is a change of the config', async () => {
  await write('a.json', JSON.stringify(definition('a', '/a')))
  await start()
  await write('b.json', JSON.stringify(definition('b', '/b')))
  await until('the second', () => names().length === 2)
  expect(configs.at(-1)?.revision).toBe(2)
  await rm(join(directory, 'a.json'))
  await until('the removal', () => names().join() === 'b')
  await write('b.json.new', JSON.stringify(definition('b', '/elsewhere')))
  await rename(join(directory, 'b.json.new'), join(directory, 'b.json'))
  await until('the replacement', () => configs.at(-1)?.texts[0]?.includes('/elsewhere'))
})

test('one bad file keeps everything as it was, with every issue in the log', async () => {
  await write('a.json', JSON.stringify(definition('a', '/a')))
  await start()
  await write('b.json', JSON.stringify({ ...definition('b', '/b'), spek: {} }))
  await write('c.json', '{ not json')
  await write('d.json', JSON.stringify(definition('a', '/again')))
  await until('the refusal', () => JSON.stringify(errors).includes('c.json') && errors.length > 0)
  const issues = JSON.stringify(errors.at(-1)?.fields)
  expect(issues).toContain('b.json.spek')
  expect(issues).toContain('c.json')
  expect(configs).toHaveLength(1)
  await rm(join(directory, 'b.json'))
  await rm(join(directory, 'c.json'))
  await writeFile(join(directory, 'd.json'), JSON.stringify(definition('d', '/d')))
  await until('the repair', () => configs.length === 2)
  expect(names().toSorted()).toEqual(['a', 'd'])
})

test('what does not compile together is refused together', async () => {
  await write(
    'a.json',
    JSON.stringify({
      kind: 'Api',
      name: 'a',
      spec: { routes: [{ path: '/a' }], upstream: 'missing' },
    }),
  )
  await start()
  expect(configs).toHaveLength(0)
  expect(JSON.stringify(errors[0]?.fields)).toContain('missing')
})

test('a directory that is not there yet is waited for', async () => {
  const missing = join(directory, 'later')
  reader = new DefinitionsDirectory(
    missing,
    {
      debug() {},
      info() {},
      warn() {},
      error: (fields, message) => void errors.push({ fields, message }),
    },
    (config) => void configs.push(config),
  )
  await reader.start()
  expect(errors).toHaveLength(1)
  await write('later/a.json', JSON.stringify(definition('a', '/a')))
  await until('the directory', () => configs.length === 1)
})
