import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadDefinitions } from '../../cli/documents/load-definitions.ts'
import { readInputs } from '../../cli/documents/read-files.ts'
import { splitText } from '../../cli/documents/split-text.ts'
import { InvalidInput, UsageError } from '../../cli/failures.ts'

const NOTHING = Readable.from([])
let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raftway-documents-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function put(name: string, text: string | Uint8Array): Promise<string> {
  const path = join(folder, name)
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, text)
  return path
}

const upstream = (name: string): string =>
  `kind: Upstream\nname: ${name}\nspec:\n  targets:\n    - url: http://127.0.0.1:1\n`

async function issuesOf(paths: readonly string[], stdin = ''): Promise<readonly string[]> {
  try {
    await loadDefinitions(paths, { stdin: Readable.from([Buffer.from(stdin)]) })
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    return error.issues.map(({ place, path, message }) =>
      [place.replace(`${folder}/`, ''), path, message].filter((part) => part !== '').join(' | '),
    )
  }
  throw new Error('the input is valid')
}

describe('places', () => {
  test('an issue of a YAML document is placed at its line and column', async () => {
    const text = `# a comment\n---\n${upstream('a')}---\nkind: Api\nname: b\nspec:\n  routes:\n    - path: /x\n      pth: /y\n  upstream: a\n`
    const path = await put('two.yaml', text)
    expect(await issuesOf([path])).toEqual([
      'two.yaml:14:7 | spec.routes.0.pth | unknown field, did you mean "path"?',
    ])
  })

  test('an issue of a JSON document is placed too, tabs and all', async () => {
    const text = `[\n\t{"kind": "Upstream", "name": "a",\n\t "spec": {"targets": [{"url": "http://x"},\n\t\t{"url": 7}]}}]\n`
    const path = await put('list.json', text)
    expect(await issuesOf([path])).toEqual([
      expect.stringMatching(/^list\.json:4:4 \| spec\.targets\.1\.url \| /),
    ])
  })

  test('what is missing is placed at what ought to hold it', async () => {
    const path = await put('m.yaml', 'kind: Api\nname: b\nspec:\n  routes:\n    - methods: [GET]\n')
    expect(await issuesOf([path])).toEqual(['m.yaml:5:7 | spec.routes.0.path | is required'])
  })

  test('a key that holds dots is found whole', () => {
    const { candidates } = splitText({
      file: 'x.yaml',
      text: 'labels:\n  a: 1\n  a.b/c: 2\nspec: {}\n',
    })
    expect(candidates[0]?.place('labels.a.b/c')).toBe('x.yaml:3:3')
    expect(candidates[0]?.place('labels.a.b/d')).toBe('x.yaml:2:3')
  })

  test('every issue of every file is told at once', async () => {
    await put('d/a.yaml', 'kind: Nothing\nname: A_\n')
    await put('d/sub/b.json', '{"kind": "Api",}')
    await put('d/sub/c.yml', 'a: [1\nb: 2\n')
    const issues = await issuesOf([join(folder, 'd')])
    expect(issues).toHaveLength(4)
    expect(issues[0]).toMatch(/^d\/a\.yaml:1:1 \| kind \| must be one of/)
    expect(issues[1]).toMatch(/^d\/a\.yaml:2:1 \| name \| /)
    expect(issues[2]).toMatch(/^d\/sub\/b\.json:1:16 \| /)
    expect(issues[3]).toMatch(/^d\/sub\/c\.yml:2:1 \| /)
  })

  test.for([
    ['{"a": 1\n', 2, 1],
    ['{"a": 1,\n  "b": tru}', 2, 11],
    ['[1, 2,]', 1, 7],
    ['{"a": {"b": 1},\n "c": 2, "a": 3}', 2, 10],
  ] as const)('malformed JSON %j is placed at %i:%i', async ([text, line, column]) => {
    const path = await put('x.json', text)
    const [issue] = await issuesOf([path])
    expect(issue).toMatch(new RegExp(`^x\\.json:${line}:${column} `))
  })

  test('a member that comes twice is refused in YAML as well', async () => {
    const path = await put('x.yaml', 'kind: Api\nkind: Upstream\n')
    expect(await issuesOf([path])).toEqual([expect.stringMatching(/^x\.yaml:2:1 .*unique/i)])
  })

  test('aliases that unfold beyond reason are refused, not unfolded', async () => {
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i <= 8; i++) {
      bomb.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`)
    }
    const path = await put('bomb.yaml', bomb.join('\n'))
    expect(await issuesOf([path])).toEqual([expect.stringMatching(/alias/i)])
  })
})

describe('what stands for definitions', () => {
  const names = (text: string, file = 'x.yaml'): unknown[] =>
    splitText({ file, text }).candidates.map(({ value }) => (value as { name: unknown }).name)

  test('documents, arrays, exports and lists are taken apart, empty documents skipped', () => {
    expect(names('name: a\n---\n---\n# nothing\n---\n- name: b\n- name: c\n')).toEqual([
      'a',
      'b',
      'c',
    ])
    expect(
      names('{"revision": 3, "definitions": [{"name": "a"}, {"name": "b"}]}', 'x.json'),
    ).toEqual(['a', 'b'])
    expect(names('items:\n- name: a\n')).toEqual(['a'])
    expect(names('')).toEqual([])
  })

  test('a definition is not taken apart because a member of it is called items', () => {
    expect(names('kind: Api\nname: a\nitems: [{name: b}]\n')).toEqual(['a'])
  })

  test('standard input may be JSON or YAML', async () => {
    const yaml = await loadDefinitions(['-'], { stdin: Readable.from([upstream('a')]) })
    const [{ definition } = { definition: null }] = yaml
    const json = await loadDefinitions(['-'], {
      stdin: Readable.from([JSON.stringify([definition])]),
    })
    expect(json.map((item) => item.definition)).toEqual([definition])
    expect(json[0]?.place('spec.targets.0')).toMatch(/^<stdin>:1:\d+$/)
  })

  test('a text in YAML flow style on standard input is no malformed JSON', async () => {
    const stdin = Readable.from(['{kind: Upstream, name: a, spec: {targets: [{url: "http://h"}]}}'])
    expect(await loadDefinitions(['-'], { stdin })).toHaveLength(1)
  })
})

describe('files', () => {
  test('of a folder come by name, at every depth, without hidden ones and others', async () => {
    await put('f/b.yaml', upstream('b'))
    await put('f/a/z.yml', upstream('z'))
    await put('f/a/y.json', '[]')
    await put('f/.git/c.yaml', upstream('c'))
    await put('f/readme.md', '# no')
    await put('elsewhere/e.yaml', upstream('e'))
    await symlink(join(folder, 'elsewhere'), join(folder, 'f/link'))
    const inputs = await readInputs([join(folder, 'f')], NOTHING)
    expect(inputs.map(({ file }) => file.replace(`${folder}/f/`, ''))).toEqual([
      'a/y.json',
      'a/z.yml',
      'b.yaml',
      'link/e.yaml',
    ])
  })

  test('a folder that contains itself ends with a reason', async () => {
    await put('f/a.yaml', upstream('a'))
    await symlink(join(folder, 'f'), join(folder, 'f/self'))
    await expect(readInputs([join(folder, 'f')], NOTHING)).rejects.toThrow(/INPUT_DEPTH_MAX/)
  })

  test('that cannot be read, are no text or hold nothing are refused by name', async () => {
    await expect(readInputs([join(folder, 'no.yaml')], NOTHING)).rejects.toThrow(/no\.yaml: ENOENT/)
    await expect(readInputs([folder], NOTHING)).rejects.toThrow(/holds no/)
    const latin = await put('latin.yaml', Buffer.from([0x61, 0xe9, 0x0a]))
    await expect(readInputs([latin], NOTHING)).rejects.toThrow(/latin\.yaml is not UTF-8/)
    await expect(readInputs(['-', '-'], NOTHING)).rejects.toThrow(UsageError)
  })

  test('a byte order mark is no part of the text', async () => {
    const path = await put('bom.yaml', `\ufeff${upstream('a')}`)
    expect(await loadDefinitions([path], { stdin: NOTHING })).toHaveLength(1)
  })

  test('a definition that comes twice is refused with both places', async () => {
    const one = await put('one.yaml', `${upstream('a')}---\n${upstream('b')}`)
    const two = await put('two.yaml', `# again\n${upstream('b')}`)
    await expect(loadDefinitions([one, two], { stdin: NOTHING })).rejects.toThrow(
      `Upstream/b comes twice: ${one}:7:1 and ${two}:2:1`,
    )
  })
})
