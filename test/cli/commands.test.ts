import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { startServer, type Server } from '../../control-plane/main.ts'
import { SILENT } from '../../shared/logger.ts'
import { raftway as run, type Around, type Ran } from './terminal.ts'

// Client commands against a real node, all in this process.

let folder = ''
let server: Server | null = null
let control = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raftway-commands-'))
  const address = { host: '127.0.0.1', port: 0 }
  server = await startServer({
    name: 'n1',
    dataDir: join(folder, 'n1'),
    api: address,
    peer: address,
    join: [],
    expect: null,
    advertiseApi: null,
    advertisePeer: null,
    logger: SILENT,
  })
  await server.formed
  control = server.apiUrl
})

afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Every test begins with an empty config; revisions go on growing. */
beforeEach(async () => {
  const answer = await request(`${control}/v1/config`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"definitions":[]}',
  })
  await answer.body.dump()
  if (answer.statusCode !== 200) throw new Error(`the config stays: ${answer.statusCode}`)
})

function raftway(line: string, around: Around = {}): Promise<Ran> {
  const env = { RAFTWAY_CONTROL: control, ...around.env }
  return run(line.split(' '), { ...around, env })
}

async function json(line: string, around: Around = {}): Promise<Record<string, unknown>> {
  const { out, exit } = await raftway(`${line} -o json`, around)
  expect(exit).toBe(0)
  return JSON.parse(out) as Record<string, unknown>
}

async function revision(): Promise<number> {
  return Number((await json('export'))['revision'])
}

const UPSTREAM = 'kind: Upstream\nname: pets\nspec:\n  targets:\n    - url: http://127.0.0.1:1\n'
const API =
  'kind: Api\nname: petstore\nspec:\n  hosts: [pets.example.com]\n  routes:\n    - path: /pets/\n      rewrite: { prefix: /v2/ }\n  upstream: pets\n'
const BOTH = `${UPSTREAM}---\n${API}`

describe('apply', () => {
  test('creates, leaves alone and changes, each in one revision', async () => {
    const before = await revision()
    const created = await raftway('apply -f -', { stdin: BOTH })
    expect(created).toEqual({
      exit: 0,
      out: 'Upstream/pets created\nApi/petstore created\n',
      said: `2 created, revision ${before + 1}`,
    })
    const again = await raftway('apply -f -', { stdin: BOTH })
    expect(again).toEqual({
      exit: 0,
      out: 'Upstream/pets unchanged\nApi/petstore unchanged\n',
      said: `nothing to do: 2 unchanged, revision ${before + 1}`,
    })
    const changed = await json('apply -f -', { stdin: BOTH.replace('/v2/', '/v3/') })
    expect(changed).toEqual({
      revision: before + 2,
      dryRun: false,
      results: [
        { kind: 'Upstream', name: 'pets', change: 'unchanged' },
        { kind: 'Api', name: 'petstore', change: 'changed' },
      ],
    })
    const { items } = (await json('history --limit 1')) as { items: { changes: unknown[] }[] }
    expect(items[0]?.changes).toEqual([{ op: 'put', kind: 'Api', name: 'petstore' }])
  })

  test('prunes what the files do not name, and only that', async () => {
    await raftway('apply -f -', { stdin: BOTH })
    const dry = await raftway('apply -f - --prune --dry-run', { stdin: UPSTREAM })
    expect(dry.out).toBe('Upstream/pets unchanged (dry run)\nApi/petstore deleted (dry run)\n')
    expect(dry.said).toContain('nothing was changed')
    expect((await raftway('get api petstore')).exit).toBe(0)
    const pruned = await raftway('apply -f - --prune', { stdin: UPSTREAM })
    expect(pruned.out).toBe('Upstream/pets unchanged\nApi/petstore deleted\n')
    expect((await raftway('get api petstore')).exit).toBe(5)
    expect((await raftway('get upstream pets')).exit).toBe(0)
  })

  test('refuses the whole with file, line and column of every issue', async () => {
    const file = join(folder, 'bad.yaml')
    await writeFile(file, `${UPSTREAM}---\n${API.replace('upstream: pets', 'upstream: cats')}`)
    const before = await revision()
    const { exit, out, said } = await raftway(`apply -f ${file}`)
    expect(exit).toBe(8)
    expect(out).toBe('')
    expect(said).toContain(`${file}:14:3: spec.upstream: no Upstream "cats"`)
    expect(await revision()).toBe(before)
  })

  test('places an issue in the right document when unchanged ones were not sent', async () => {
    await raftway('apply -f -', { stdin: BOTH })
    const stdin = `${BOTH}---\n${API.replace('name: petstore', 'name: second').replace('upstream: pets', 'upstream: x')}`
    const { said } = await raftway('apply -f -', { stdin })
    expect(said).toContain('<stdin>:23:3: spec.upstream: no Upstream "x"')
  })

  test('with a guard that does not hold changes nothing and exits 4', async () => {
    const before = await revision()
    const stale = await raftway(`apply -f - --if-revision ${before - 1}`, { stdin: UPSTREAM })
    expect(stale.exit).toBe(4)
    expect(stale.said).toMatch(/^REVISION_CONFLICT: /)
    expect((await raftway(`apply -f - --if-revision ${before}`, { stdin: UPSTREAM })).exit).toBe(0)
    const unchanged = await raftway(`apply -f - --if-revision ${before}`, { stdin: UPSTREAM })
    expect(unchanged.exit).toBe(4)
  })

  test('keeps the message and who wrote it in the history', async () => {
    await run(['apply', '-f', '-', '-m', 'pets are back'], {
      stdin: UPSTREAM,
      env: { RAFTWAY_CONTROL: control },
    })
    const { items } = (await json('history upstream pets --limit 1')) as {
      items: { message: string; author: string }[]
    }
    expect(items[0]).toMatchObject({ message: 'pets are back', author: expect.stringMatching(/@/) })
    expect((await raftway('history')).out).toContain('pets are back')
  })
})

describe('waiting for gateways', () => {
  /** A gateway as the API sees one: a watch, and reports. */
  async function connectGateway(name: string): Promise<{
    report(revision: number): Promise<void>
    leave(): void
  }> {
    const leaving = new AbortController()
    const watch = await request(`${control}/v1/watch?gateway=${name}`, { signal: leaving.signal })
    watch.body.on('error', () => {})
    watch.body.resume()
    return {
      async report(at) {
        const { hash } = (await (await request(`${control}/v1/config`)).body.json()) as {
          hash: string
        }
        const answer = await request(`${control}/v1/gateways/${name}/report`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ revision: at, hash, version: '1', quarantined: [] }),
        })
        await answer.body.dump()
        expect(answer.statusCode).toBe(204)
      },
      leave: () => leaving.abort(),
    }
  }

  test('ends when all have applied, names those that have not, and exits 6', async () => {
    const gateway = await connectGateway('gw1')
    try {
      await gateway.report(await revision())
      const behind = await raftway('apply -f - --wait --timeout-ms 50', { stdin: UPSTREAM })
      expect(behind.exit).toBe(6)
      expect(behind.out).toBe('Upstream/pets created\n')
      expect(behind.said).toContain('0 of 1 gateways serve revision')
      expect(behind.said).toMatch(/behind: gw1 at revision \d+: /)

      const deleted = raftway('delete upstream pets --wait --timeout-ms 20000')
      const before = await revision()
      await expect.poll(revision).toBeGreaterThanOrEqual(before)
      await expect.poll(async () => (await raftway('get upstream pets')).exit).toBe(5)
      await gateway.report(await revision())
      const { exit, out, said } = await deleted
      expect({ exit, out }).toEqual({ exit: 0, out: 'Upstream/pets deleted\n' })
      expect(said).toContain('1 of 1 gateways serve revision')
    } finally {
      gateway.leave()
    }
  })

  test('gateways lists them with what they serve', async () => {
    const gateway = await connectGateway('gw2')
    try {
      await gateway.report(await revision())
      const { out } = await raftway('gateways')
      expect(out).toMatch(/^NAME +NODE +CONNECTED +REVISION/)
      expect(out).toMatch(/^gw2 +n1 +yes +\d+ +0 /m)
    } finally {
      gateway.leave()
    }
  })
})

describe('get, delete and export', () => {
  test('get shows a table, YAML that can be applied, or JSON', async () => {
    await raftway('apply -f -', { stdin: BOTH })
    const table = await raftway('get apis')
    expect(table.out).toMatch(
      /^NAME +HOSTS +ROUTES +UPSTREAM +REVISION\npetstore +pets\.example\.com +\/pets\/ +pets +\d+\n$/,
    )
    const yaml = await raftway('get api petstore -o yaml')
    expect(yaml.out).not.toContain('evision')
    expect((await raftway('apply -f -', { stdin: yaml.out })).said).toContain('nothing to do')
    expect(await json('get api petstore')).toMatchObject({
      kind: 'Api',
      spec: { upstream: 'pets' },
    })
    expect(await json('get upstreams')).toMatchObject({ items: [{ name: 'pets' }] })
    expect((await json('get upstreams --stale'))['items']).toHaveLength(1)
  })

  test('get follows every page, and filters by label', async () => {
    const many = Array.from({ length: 1_205 }, (_, at) => ({
      kind: 'Upstream',
      name: `u${String(at).padStart(4, '0')}`,
      labels: { parity: at % 2 === 0 ? 'even' : 'odd' },
      spec: { targets: [{ url: 'http://127.0.0.1:1' }] },
    }))
    expect((await raftway('apply -f -', { stdin: JSON.stringify(many) })).exit).toBe(0)
    expect((await json('get upstreams'))['items']).toHaveLength(1_205)
    expect((await json('get upstreams --label parity=odd'))['items']).toHaveLength(602)
  })

  test('what is not there exits 5, and nothing at all is said', async () => {
    const missing = await raftway('get api nope')
    expect(missing).toMatchObject({ exit: 5, out: '' })
    expect(missing.said).toMatch(/^DEFINITION_NOT_FOUND: /)
    expect(await raftway('get apis')).toEqual({ exit: 0, out: '', said: 'there is no Api yet' })
    expect((await raftway('delete api nope')).exit).toBe(5)
  })

  test('delete minds its guard, its dry run, and who still needs the definition', async () => {
    await raftway('apply -f -', { stdin: BOTH })
    const needed = await raftway('delete upstream pets')
    expect(needed.exit).toBe(8)
    expect(needed.said).toContain('Api/petstore.spec.upstream')
    expect((await raftway('delete api petstore --if-revision 1')).exit).toBe(4)
    expect((await raftway('delete api petstore --dry-run')).out).toContain('dry run')
    expect((await raftway('get api petstore')).exit).toBe(0)
    expect((await raftway('delete api petstore')).out).toBe('Api/petstore deleted\n')
  })

  test('an export is what stands, in both forms, also of an earlier revision', async () => {
    await raftway('apply -f -', { stdin: BOTH })
    const at = await revision()
    const yaml = await raftway('export')
    expect(
      [...parseAllDocuments(yaml.out)].map((each) => (each.toJS() as { name: string }).name),
    ).toEqual(['pets', 'petstore'])
    const asJson = await raftway('export -o json')
    for (const stdin of [yaml.out, asJson.out]) {
      expect((await raftway('apply -f - --prune', { stdin })).said).toContain('nothing to do')
    }
    await raftway('delete api petstore')
    const earlier = await raftway(`export --revision ${at}`)
    expect(earlier.out).toBe(yaml.out)
    expect((await raftway('export --revision 999999')).exit).toBe(5)
  })
})

describe('diff, history and rollback', () => {
  test('files against the cluster: lines that differ, and exit 3', async () => {
    await raftway('apply -f -', { stdin: BOTH })
    expect((await raftway('diff -f -', { stdin: BOTH })).exit).toBe(0)
    const { exit, out } = await raftway('diff -f -', { stdin: BOTH.replace('/v2/', '/v3/') })
    expect(exit).toBe(3)
    expect(out).toContain('~ Api/petstore\n')
    expect(out).toContain('-         prefix: /v2/\n+         prefix: /v3/\n')
    const pruned = await raftway('diff -f - --prune', { stdin: UPSTREAM })
    expect(pruned.out).toMatch(/^- Api\/petstore\n- kind: Api\n/)
    expect((await raftway('diff -f -', { stdin: UPSTREAM })).exit).toBe(0)
  })

  test('one revision against another', async () => {
    const from = await revision()
    await raftway('apply -f -', { stdin: BOTH })
    const { exit, out, said } = await raftway(`diff ${from} ${from + 1}`)
    expect(exit).toBe(3)
    expect(out).toContain('+ Upstream/pets')
    expect(said).toContain('2 added')
    const back = await raftway(`diff ${from + 1} ${from} -o json`)
    expect(back.exit).toBe(3)
    expect(JSON.parse(back.out)).toMatchObject({
      from: from + 1,
      to: from,
      changes: [{ op: 'removed' }, { op: 'removed' }],
    })
    expect((await raftway(`diff ${from} ${from}`)).exit).toBe(0)
    expect((await raftway('diff 1 999999')).exit).toBe(5)
  })

  test('rollback makes the old state a new revision', async () => {
    await raftway('apply -f -', { stdin: BOTH })
    const at = await revision()
    await raftway('delete api petstore')
    const { exit, out, said } = await raftway(`rollback ${at} -m oops`)
    expect({ exit, out }).toEqual({ exit: 0, out: 'Api/petstore restored\n' })
    expect(said).toBe(`as at revision ${at}, in revision ${at + 2}`)
    expect((await raftway(`diff ${at} ${at + 2}`)).exit).toBe(0)
    expect((await raftway(`rollback ${at}`)).said).toContain('nothing to do')
    expect((await raftway('rollback 999999')).exit).toBe(5)
  })
})

describe('explain', () => {
  test('is the decision of the cluster, with the headers that were given', async () => {
    const canary = API.replace('petstore', 'canary').replace(
      '- path: /pets/',
      "- path: /pets/\n      headers: { x-canary: 'yes' }",
    )
    await raftway('apply -f -', { stdin: `${BOTH}---\n${canary}` })
    const plain = await raftway('explain GET http://pets.example.com/pets/1')
    expect(plain.out).toContain('→ Api/petstore route 0: prefix /pets/ on pets.example.com')
    expect(plain.out).toContain('goes to Upstream/pets as /v2/1')
    expect(plain.out).toContain('Api/canary route 0')
    const withHeader = await run(
      ['explain', 'GET', 'http://pets.example.com/pets/1', '-H', 'X-Canary: yes'],
      { env: { RAFTWAY_CONTROL: control } },
    )
    expect(withHeader.out).toContain('→ Api/canary route 0')
    expect((await raftway('explain GET http://other.example.com/')).exit).toBe(5)
  })
})

describe('cluster', () => {
  test('status says who leads, at what revision, and that all is well', async () => {
    const { exit, out } = await raftway('cluster status')
    expect(exit).toBe(0)
    expect(out).toContain(`n1 leads in term `)
    expect(out).toContain(`revision ${await revision()}`)
    expect(out).toMatch(/^n1 +voter +leader +up +0 +\d+ +http:/m)
    expect(await json('cluster status')).toMatchObject({
      leader: 'n1',
      members: [{ name: 'n1', role: 'voter', state: 'leader', condition: 'up', lag: 0 }],
      gateways: { behind: expect.any(Number) },
    })
  })

  test('members, leader and version answer', async () => {
    expect((await raftway('cluster members')).out).toMatch(/^n1 +voter/m)
    expect((await raftway('cluster leader')).out).toBe(`n1 ${control}\n`)
    expect(await json('version')).toMatchObject({
      client: { version: expect.stringMatching(/^\d/) },
      server: { url: control, version: expect.stringMatching(/^\d/) },
    })
  })

  test('changes that cannot be are refused with the code for it', async () => {
    expect(await raftway('cluster remove n1')).toMatchObject({ exit: 4, out: '' })
    expect((await raftway('cluster remove nobody')).exit).toBe(5)
    expect((await raftway('cluster promote nobody')).exit).toBe(5)
    expect((await raftway('cluster transfer-leader nobody')).exit).toBe(5)
    expect((await raftway('cluster add nowhere')).exit).toBe(2)
  })

  test('nobody there exits 6 with a reason', async () => {
    const { exit, said } = await raftway('cluster status --control http://127.0.0.1:1')
    expect(exit).toBe(6)
    expect(said).toMatch(/^UNREACHABLE: cannot reach http:\/\/127\.0\.0\.1:1/)
    expect((await raftway('version --control http://127.0.0.1:1')).exit).toBe(0)
  })
})

describe('watch', () => {
  async function watched(line: string, seen: RegExp, act: () => Promise<unknown>): Promise<Ran> {
    const stop = new AbortController()
    const found = Promise.withResolvers<void>()
    const out: string[] = []
    const watching = raftway(line, {
      stop: stop.signal,
      onOut(text) {
        out.push(text)
        if (seen.test(out.join(''))) found.resolve()
      },
    })
    await act()
    await found.promise
    stop.abort()
    return watching
  }

  test('prints changes for people, created and deleted apart', async () => {
    const from = await revision()
    const { exit, out } = await watched(`watch --from ${from}`, /- Upstream\/pets/, async () => {
      await raftway('apply -f -', { stdin: UPSTREAM })
      await raftway('delete upstream pets')
    })
    expect(exit).toBe(0)
    expect(out).toMatch(
      new RegExp(`^\\S+Z ${from + 1} \\+ Upstream/pets\\n\\S+Z ${from + 2} - Upstream/pets\\n$`),
    )
  })

  test('prints every line of the stream for programs', async () => {
    await raftway('apply -f -', { stdin: UPSTREAM })
    const { out } = await watched('watch -o json', /snapshot-end/, async () => {})
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string })
    expect(lines.map(({ type }) => type)).toEqual(['snapshot', 'definition', 'snapshot-end'])
  })
})
