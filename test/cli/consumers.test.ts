// Goal: whoever runs a fleet makes consumers, keys and plans by commands, one by one and in bulk. Method: the commands, in
// this process, against a real node.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { request } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { entitledOf } from '../../cli/consumers/entitled.ts'
import { csvRecords } from '../../cli/import/csv.ts'
import { startServer, type Server } from '../../control-plane/main.ts'
import { consumerOf, entitlementsOf } from '../../gateway/consumers/consumer.ts'
import { hashApiKey } from '../../shared/definitions/api-key.ts'
import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import type { PlanSpec } from '../../shared/definitions/plan.ts'
import { IMPORT_BATCH_ROWS } from '../../shared/limits.ts'
import { SILENT } from '../../shared/logger.ts'
import { raftway as run, type Around, type Ran } from './terminal.ts'

let folder = ''
let server: Server | null = null
let control = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raftway-consumers-'))
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

// A command's answer, as a test looks at it.
// oxlint-disable-next-line typescript/no-explicit-any
async function json(line: string, around: Around = {}): Promise<any> {
  const { out, exit, said } = await raftway(`${line} -o json`, around)
  if (exit !== 0) throw new Error(`exit ${exit} from ${line}: ${said}`)
  return JSON.parse(out)
}

async function specOf(name: string): Promise<ConsumerSpec> {
  return (await json(`consumer get ${name}`)).spec
}

describe('consumer', () => {
  test('create takes everything a consumer has, and prints its first key alone', async () => {
    const line =
      'consumer create alice --plan gold --plan silver --role deploy --label team=core --metadata tier=1 --expires 2040-01-01T00:00:00Z --with-key --wait'
    const { exit, out, said } = await raftway(line)
    expect(exit).toBe(0)
    expect(out).toMatch(/^rwk_[A-Za-z0-9_-]{43}\n$/)
    expect(said).toContain('Consumer/alice created')
    expect(said).toContain('key key-1 of alice: keep it now, it cannot be shown again')
    expect(said).toContain('no gateway is connected')
    expect(said).not.toContain(out.trim())
    expect(await json('consumer get alice')).toMatchObject({
      labels: { team: 'core' },
      spec: {
        plans: ['gold', 'silver'],
        roles: ['deploy'],
        metadata: { tier: '1' },
        expiresAt: '2040-01-01T00:00:00.000Z',
        credentials: { keys: [{ name: 'key-1', hash: hashApiKey(out.trim()) }] },
      },
    })
  })

  test('create refuses a name that is taken, and what is no option', async () => {
    expect(await raftway('consumer create alice')).toMatchObject({
      exit: 0,
      out: 'Consumer/alice created\n',
    })
    expect((await raftway('consumer create alice')).exit).toBe(4)
    expect((await raftway('consumer create Bob')).exit).toBe(8)
    expect((await raftway('consumer create bob --label team')).exit).toBe(2)
    expect((await raftway('consumer create bob --expires soon')).exit).toBe(2)
  })

  test('get shows keys without their hashes, and everything as YAML', async () => {
    await raftway('consumer create alice --with-key')
    const { out } = await raftway('consumer get alice')
    const [key] = (await specOf('alice')).credentials?.keys ?? []
    expect(out).toContain('key-1')
    expect(out).toContain(`${key?.prefix}…${key?.lastFour}`)
    expect(out).not.toContain(key?.hash)
    expect((await raftway('consumer get alice -o yaml')).out).toContain(`hash: ${key?.hash}`)
    expect((await raftway('consumer get nobody')).exit).toBe(5)
  })

  test('list filters by plan, label and state', async () => {
    await raftway('consumer create alice --plan gold --label team=a')
    await raftway('consumer create bob --plan gold --plan silver --label team=b')
    await raftway('consumer create carol')
    await raftway('consumer disable bob')
    const names = async (filter: string): Promise<string[]> =>
      (await json(`consumer list ${filter}`)).items.map(({ name }: { name: string }) => name)
    expect(await names('--plan gold')).toEqual(['alice', 'bob'])
    expect(await names('--plan silver --enabled true')).toEqual([])
    expect(await names('--enabled true')).toEqual(['alice', 'carol'])
    expect(await names('--label team=b --enabled false')).toEqual(['bob'])
    expect((await raftway('consumer list')).out).toMatch(/^NAME +STATE +PLANS/)
    expect((await raftway('consumer list --plan none')).said).toBe('there is no such consumer')
  })

  test('disable and enable change nothing else, and delete takes it away', async () => {
    await raftway('consumer create alice --plan gold --with-key')
    const before = await specOf('alice')
    expect((await raftway('consumer disable alice --wait')).out).toBe('Consumer/alice disabled\n')
    expect(await specOf('alice')).toEqual({ ...before, enabled: false })
    expect((await raftway('consumer enable alice')).out).toBe('Consumer/alice enabled\n')
    expect(await specOf('alice')).toEqual(before)
    expect((await raftway('consumer delete alice')).out).toBe('Consumer/alice deleted\n')
    expect((await raftway('consumer disable alice')).exit).toBe(5)
  })
})

describe('key', () => {
  beforeEach(async () => {
    await raftway('consumer create alice')
  })

  test('create prints the key alone on stdout, or all of it as JSON', async () => {
    const { out, said } = await raftway('key create alice --name ci --ttl 90d')
    expect(hashApiKey(out.trim())).toBe((await specOf('alice')).credentials?.keys?.[0]?.hash)
    expect(said).toContain('key ci of alice')
    const made = await json('key create alice')
    expect(made).toMatchObject({ name: 'alice', key: { name: 'key-1' } })
    expect(hashApiKey(made.secret)).toBe(made.key.hash)
    expect((await raftway('key create alice --name ci')).exit).toBe(4)
    expect((await raftway('key create bob')).exit).toBe(5)
    expect((await raftway('key create alice --ttl soon')).exit).toBe(2)
  })

  test('rotate, revoke and list', async () => {
    await raftway('key create alice --name ci')
    const rotated = await raftway('key rotate alice ci --overlap 0')
    expect(rotated.out).toMatch(/^rwk_/)
    expect(rotated.said).toContain('key ci-1 of alice')
    expect(rotated.said).toMatch(/key ci ends 20/)
    const list = (await raftway('key list alice')).out
    expect(list).toMatch(/^NAME +KEY +STATE +CREATED +EXPIRES\n/)
    expect(list).toMatch(/^ci +rwk_\S+ +expired/m)
    expect(list).toMatch(/^ci-1 +rwk_\S+ +good .* never$/m)
    const [key] = (await json('key list alice')).items
    expect(list).not.toContain(key.hash)
    expect((await raftway('key revoke alice ci --wait')).out).toBe('key ci of alice revoked\n')
    expect((await raftway('key revoke alice ci')).exit).toBe(5)
    await raftway('key revoke alice ci-1')
    expect((await raftway('key list alice')).said).toBe('alice has no key')
  })
})

describe('plan and usage', () => {
  test('a plan is made of limits, Apis and roles', async () => {
    const line =
      'plan create gold --limit minute=600/1m --limit day=5/1d --api petstore=get,head --api cart --role r --priority 5'
    expect((await raftway(line)).out).toBe('Plan/gold created\n')
    expect((await json('plan get gold')).spec).toEqual({
      limits: [
        { name: 'minute', limit: 600, windowMs: 60_000 },
        { name: 'day', limit: 5, windowMs: 86_400_000 },
      ],
      access: [{ api: 'petstore', methods: ['GET', 'HEAD'] }, { api: 'cart' }],
      roles: ['r'],
      priority: 5,
    })
    expect((await raftway('plan list')).out).toMatch(/^gold +petstore, cart +minute, day/m)
    expect((await raftway('plan create gold')).exit).toBe(4)
    expect((await raftway('plan create x --limit 5')).exit).toBe(2)
    expect((await raftway('plan delete gold')).out).toBe('Plan/gold deleted\n')
  })

  test('usage tells what comes from where', async () => {
    await raftway('plan create gold --limit minute=600/1m --api petstore=GET --role g --priority 5')
    await raftway('plan create silver --limit minute=60/1m --limit day=1000/1d --api cart')
    await raftway('consumer create alice --plan silver --plan gold --plan lost --role own')
    const { out } = await raftway('usage alice')
    expect(out).toMatch(/^gold +5 +found$/m)
    expect(out).toMatch(/^lost +0 +missing$/m)
    expect(out).toMatch(/^minute +600 +1m +plan gold$/m)
    expect(out).toMatch(/^day +1000 +1d +plan silver$/m)
    expect(out).toMatch(/^own +consumer$/m)
    expect(out).toMatch(/^petstore +all +GET +plan gold$/m)
    expect(out).toContain('no quota of its own or of a plan')
    const spec = { quotas: [{ name: 'monthly', limit: 1_000, period: 'month' }] }
    await raftway('apply -f -', {
      stdin: JSON.stringify({ kind: 'Consumer', name: 'bob', spec }),
    })
    expect((await json('usage bob')).access).toBe(null)
    expect((await raftway('usage bob')).out).toMatch(/^monthly +1000 +0 +1000 +20\S+ +consumer$/m)
    expect((await raftway('usage nobody')).exit).toBe(5)
  })

  test('usage merges as gateways do', () => {
    const limit = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      limit: fc.nat(9),
      windowMs: fc.constant(1_000),
    })
    const common = {
      limits: fc.uniqueArray(limit, { maxLength: 3, selector: ({ name }) => name }),
      roles: fc.array(fc.constantFrom('r', 's', 't'), { maxLength: 2 }),
    }
    const rules = fc.array(fc.record({ api: fc.constantFrom('x', 'y') }), {
      minLength: 1,
      maxLength: 2,
    })
    const plan = fc.record({ ...common, priority: fc.nat(2), access: fc.option(rules) })
    const given = fc.record({
      spec: fc.record(common),
      plans: fc.dictionary(fc.constantFrom('p', 'q', 'r', 's'), fc.option(plan)),
    })
    fc.assert(
      fc.property(given, ({ spec, plans }) => {
        const names = Object.keys(plans)
        const known = new Map<string, PlanSpec>()
        for (const [name, each] of Object.entries(plans)) {
          if (each === null) continue
          const { access, ...rest } = each
          known.set(name, access === null ? rest : { ...rest, access })
        }
        const whole = { ...spec, plans: names }
        const wanted = entitlementsOf(consumerOf('c', undefined, whole), names, known)
        const told = entitledOf(whole, (name) => known.get(name))
        const bare = new Map(told.limits.map(({ from: _from, ...each }) => [each.name, each]))
        expect(bare).toEqual(wanted.limits)
        expect(new Set(told.roles.map(({ role }) => role))).toEqual(wanted.roles)
        const access = told.access?.map(({ api }) => api)
        expect(access === undefined ? null : new Set(access)).toEqual(
          wanted.access === null ? null : new Set(wanted.access.keys()),
        )
      }),
    )
  })
})

describe('consumer import', () => {
  function importing(text: string, more = ''): Promise<Ran> {
    return raftway(`consumer import -f - ${more}`.trim(), { stdin: text })
  }

  test('makes consumers from CSV, and the same again changes nothing', async () => {
    const text =
      'name,plans,roles,label.team,metadata.tier,enabled,description,key,keyName\r\n' +
      'alice,gold;silver,r,core,1,,"one, ""two""",a-key-that-she-has-had,ci\r\n' +
      'bob,,,,,false,,,\r\n'
    const first = await importing(text, '--keys plain')
    expect(first).toMatchObject({ exit: 0, out: '2 rows: 2 created, 0 changed, 0 unchanged\n' })
    expect(await json('consumer get alice')).toMatchObject({
      labels: { team: 'core' },
      spec: {
        plans: ['gold', 'silver'],
        roles: ['r'],
        metadata: { tier: '1' },
        description: 'one, "two"',
        credentials: {
          keys: [{ name: 'ci', hash: hashApiKey('a-key-that-she-has-had'), lastFour: '-had' }],
        },
      },
    })
    expect(await specOf('bob')).toEqual({ enabled: false })
    const before = (await json('export')).revision
    const again = await importing(text, '--keys plain')
    expect(again.out).toBe('2 rows: 0 created, 0 changed, 2 unchanged\n')
    expect((await json('export')).revision).toBe(before)
  })

  test('adds to what stands, and takes nothing away', async () => {
    await raftway('consumer create alice --plan silver --label a=1 --with-key')
    const { out } = await importing(
      `{"name":"alice","plans":["gold"],"labels":{"b":"2"},"key":"${hashApiKey('k')}"}\n`,
      '--format ndjson',
    )
    expect(out).toBe('1 rows: 0 created, 1 changed, 0 unchanged\n')
    const { labels, spec } = await json('consumer get alice')
    expect(labels).toEqual({ a: '1', b: '2' })
    expect(spec.plans).toEqual(['gold'])
    expect(spec.credentials.keys.map(({ name }: { name: string }) => name)).toEqual([
      'key-1',
      'import',
    ])
  })

  test('takes definitions as JSON lines, as export has them', async () => {
    await raftway('consumer create alice --plan gold --with-key')
    const exported = JSON.stringify(await json('consumer get alice'))
    const { out } = await importing(`${exported}\n`, '--format ndjson')
    expect(out).toBe('1 rows: 0 created, 0 changed, 1 unchanged\n')
  })

  test('with rows that cannot be read changes nothing, and names every line', async () => {
    const text =
      'name,enabled,key\ngood,true,\nBad Name,true,\nx,perhaps,\ngood,,\ny,,not-a-hash\nz,,,\n'
    const { exit, said } = await importing(text)
    expect(exit).toBe(8)
    const lines = [...said.matchAll(/^<stdin>:(\d+): ([\w.]+): /gm)].map(([, line, path]) => [
      line,
      path,
    ])
    expect(lines).toEqual([
      ['3', 'name'],
      ['4', 'spec.enabled'],
      ['5', 'name'],
      ['6', 'key'],
    ])
    expect(said).toContain('<stdin>:7: has 4 cells, the heading has 3')
    expect((await json('consumer list')).items).toEqual([])
  })

  test('names a column that it does not know', async () => {
    const { exit, said } = await importing('name,plan\na,b\n')
    expect(exit).toBe(8)
    expect(said).toContain('<stdin>:1: plan: unknown column, did you mean "plans"?')
  })

  test('writes what is good, and names the lines of what a node refuses', async () => {
    await raftway('consumer create owner')
    await importing(`name,key\nowner,${hashApiKey('taken')}\n`)
    const rows = Array.from(
      { length: IMPORT_BATCH_ROWS + 2 },
      (_, at) => `c-${at},${hashApiKey(`k${at}`)}`,
    )
    rows[5] = `c-5,${hashApiKey('taken')}`
    rows[IMPORT_BATCH_ROWS + 1] = `c-last,${hashApiKey('taken')}`
    const { exit, out, said } = await importing(`name,key\n${rows.join('\n')}\n`)
    expect(exit).toBe(8)
    expect(out).toBe(
      `${rows.length} rows: ${rows.length - 2} created, 0 changed, 0 unchanged, 2 refused\n`,
    )
    const refusal = 'spec.credentials.keys.0.hash: Consumer "owner" has this key'
    expect(said).toContain(`<stdin>:7: ${refusal}`)
    expect(said).toContain(`<stdin>:${IMPORT_BATCH_ROWS + 3}: ${refusal}`)
  })

  test('makes keys into a file of its owner, and goes on with them', async () => {
    const out = join(folder, 'keys.csv')
    await rm(out, { force: true })
    const more = `--keys generate --out ${out}`
    await importing('name\nalice\nbob\n', more)
    expect((await stat(out)).mode & 0o777).toBe(0o600)
    const text = await readFile(out, 'utf8')
    const [head, ...rows] = [...csvRecords(text)].map(({ cells }) => cells)
    expect(head).toEqual(['consumer', 'name', 'key', 'createdAt'])
    const [alice = []] = rows
    expect((await specOf('alice')).credentials?.keys?.[0]).toMatchObject({
      name: 'import',
      hash: hashApiKey(alice[2] ?? ''),
    })
    // The cluster lost what the file has, as if the import had broken off; a last line was cut off.
    await raftway('consumer delete bob')
    await writeFile(out, `${text}carol,import,rwk_cut`)
    expect((await importing('name\nalice\nbob\ncarol\n', more)).out).toBe(
      '3 rows: 2 created, 0 changed, 1 unchanged\n',
    )
    const now = [...csvRecords(await readFile(out, 'utf8'))].map(({ cells }) => cells)
    expect((await specOf('bob')).credentials?.keys?.[0]?.hash).toBe(hashApiKey(rows[1]?.[2] ?? ''))
    const carol = now.find(([name, , , at]) => name === 'carol' && at !== undefined)
    expect((await specOf('carol')).credentials?.keys?.[0]?.hash).toBe(hashApiKey(carol?.[2] ?? ''))
    expect((await raftway('consumer import -f x --keys generate')).exit).toBe(2)
  })

  test('of a dry run checks everything and changes nothing', async () => {
    const { out, exit } = await importing('name\nalice\n', '--dry-run')
    expect({ out, exit }).toEqual({
      exit: 0,
      out: '1 rows: 1 created, 0 changed, 0 unchanged (dry run)\n',
    })
    expect((await json('consumer list')).items).toEqual([])
  })

  test('takes the examples', async () => {
    const examples = join(import.meta.dirname, '../../examples')
    for (const [file, keys] of [
      ['consumers.csv', 'plain'],
      ['consumers.ndjson', 'hashed'],
    ] as const) {
      const line = `consumer import -f ${join(examples, file)} --keys ${keys} --dry-run`
      expect(await raftway(line)).toMatchObject({ exit: 0 })
    }
  })
})

test('CSV is read as it is written, whatever is in it', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', ' ', 'é') })
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 })), (records) => {
      const text = records
        .map((cells) => cells.map((each) => `"${each.replaceAll('"', '""')}"`).join())
        .join('\r\n')
      expect([...csvRecords(text)].map(({ cells }) => cells)).toEqual(records)
    }),
  )
  expect([...csvRecords('a,b\n\n"x\ny",z\nlast,one')]).toEqual([
    { line: 1, cells: ['a', 'b'] },
    { line: 3, cells: ['x\ny', 'z'] },
    { line: 5, cells: ['last', 'one'] },
  ])
  for (const text of ['a,"b', 'a,"b"c', 'a,b"c'])
    expect(() => [...csvRecords(text)]).toThrow(/line 1/)
})
