// Problems are asserted by expectProblem, and a failed status shows the answer: the rules know neither.
/* oxlint-disable vitest/expect-expect, vitest/valid-expect */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiSpec, call, TestWatch, until, type Line, type Reply } from './api-client.ts'

/** A formed cluster of at least two nodes, by the URLs of their APIs. */
export type ApiSubject = {
  /** Leads when the tests begin. */
  readonly leader: string
  readonly follower: string
  close(): Promise<void>
}

const HASH = /^[0-9a-f]{64}$/
const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * What every node's HTTP API must do (DESIGN 9.3), through real HTTP: on a cluster without consensus and on the real
 * one alike. Each test uses definitions of its own; they share one cluster.
 */
export function apiContract(name: string, start: () => Promise<ApiSubject>): void {
  describe(`${name}: HTTP API`, () => {
    let subject: ApiSubject
    beforeAll(async () => {
      subject = await start()
    })
    afterAll(async () => {
      await subject.close()
    })
    definitionTests(() => subject)
    guardTests(() => subject)
    badInputTests(() => subject)
    listTests(() => subject)
    transactionTests(() => subject)
    historyTests(() => subject)
    followerTests(() => subject)
    watchTests(() => subject)
    gatewayTests(() => subject)
    clusterTests(() => subject)
  })
}

type Subject = () => ApiSubject

function put(base: string, name: string, more: object = {}, headers = {}): Promise<Reply> {
  return call(base, `PUT /v1/apis/${name}`, {
    json: { spec: apiSpec(name.replace(/\?.*/, '')), ...more },
    headers,
  })
}

function revisionOf(reply: Reply): number {
  return Number(reply.headers['raftway-revision'])
}

function expectProblem(reply: Reply, status: number, code: string): void {
  expect(reply.body, reply.text).toMatchObject({
    type: `urn:raftway:error:${code}`,
    title: expect.any(String),
    status,
    detail: expect.any(String),
    code,
    issues: expect.any(Array),
  })
  expect(reply.status).toBe(status)
  expect(reply.headers['content-type']).toBe('application/problem+json; charset=utf-8')
  expect(reply.headers['raftway-revision']).toMatch(/^\d+$/)
  expect(reply.text).not.toMatch(/\bat .*\.[jt]s:\d+/)
}

function definitionTests(subject: Subject): void {
  test('a put creates with 201, replaces with 200, and answers the definition with its numbers', async () => {
    const created = await put(subject().leader, 'created', { labels: { team: 'pets' } })
    expect(created.status).toBe(201)
    const revision = revisionOf(created)
    expect(created.headers['content-type']).toBe(JSON_TYPE)
    expect(created.headers['etag']).toBe(`"${revision}"`)
    expect(created.body).toEqual({
      kind: 'Api',
      name: 'created',
      labels: { team: 'pets' },
      spec: apiSpec('created'),
      revision,
      createdRevision: revision,
    })
    const replaced = await put(subject().leader, 'created', { kind: 'Api', name: 'created' })
    expect(replaced.status).toBe(200)
    expect(revisionOf(replaced)).toBeGreaterThan(revision)
    expect(replaced.body).toMatchObject({
      revision: revisionOf(replaced),
      createdRevision: revision,
    })
    expect(replaced.body.labels).toBeUndefined()
  })

  test('a definition is read back as it was answered, and not sent again to who has it', async () => {
    const created = await put(subject().leader, 'read')
    const read = await call(subject().leader, 'GET /v1/apis/read')
    expect(read.status).toBe(200)
    expect(read.body).toEqual(created.body)
    expect(read.headers['etag']).toBe(created.headers['etag'])
    const headers = { 'if-none-match': String(created.headers['etag']) }
    const unchanged = await call(subject().leader, 'GET /v1/apis/read', { headers })
    expect(unchanged.status).toBe(304)
    expect(unchanged.text).toBe('')
    const stale = await call(subject().leader, 'GET /v1/apis/read?consistency=stale')
    expect(stale.body).toEqual(created.body)
  })

  test('a delete answers with its revision, and then the definition is missing', async () => {
    await put(subject().leader, 'gone')
    const deleted = await call(subject().leader, 'DELETE /v1/apis/gone')
    expect(deleted.status).toBe(200)
    expect(deleted.body).toEqual({ kind: 'Api', name: 'gone', revision: revisionOf(deleted) })
    expectProblem(await call(subject().leader, 'GET /v1/apis/gone'), 404, 'DEFINITION_NOT_FOUND')
    expectProblem(await call(subject().leader, 'DELETE /v1/apis/gone'), 404, 'DEFINITION_NOT_FOUND')
  })

  test('a dry run answers as if it were done and changes nothing', async () => {
    const before = revisionOf(await call(subject().leader, 'GET /v1/config'))
    const dry = await call(subject().leader, 'PUT /v1/apis/dry?dryRun=true', {
      json: { spec: apiSpec('dry') },
    })
    expect(dry.status).toBe(201)
    expect(dry.body).toMatchObject({ kind: 'Api', name: 'dry', revision: before + 1 })
    expect(revisionOf(dry)).toBe(before)
    expectProblem(await call(subject().leader, 'GET /v1/apis/dry'), 404, 'DEFINITION_NOT_FOUND')
    const bad = await call(subject().follower, 'PUT /v1/apis/dry?dryRun=true', {
      json: { spec: {} },
    })
    expectProblem(bad, 422, 'INVALID_DEFINITION')
  })

  test('YAML is taken like JSON', async () => {
    const text =
      'spec:\n  hosts: [yaml.example.com]\n  routes: [{ path: /pets }]\n  upstream:\n    targets: [{ url: "http://127.0.0.1:9001" }]\n'
    for (const type of ['application/yaml', 'text/yaml; charset=utf-8', 'application/x-yaml']) {
      const headers = { 'content-type': type }
      const reply = await call(subject().follower, 'PUT /v1/apis/yaml', { text, headers })
      expect(reply.status, reply.text).toBeLessThan(300)
      expect(reply.body.spec).toEqual(apiSpec('yaml'))
    }
  })
}

function guardTests(subject: Subject): void {
  test('If-Match lets a write pass at its revision only, and says which one stands', async () => {
    const created = await put(subject().leader, 'guarded')
    const tag = String(created.headers['etag'])
    const first = await put(subject().leader, 'guarded', {}, { 'if-match': tag })
    expect(first.status).toBe(200)
    const second = await put(subject().leader, 'guarded', {}, { 'if-match': tag })
    expectProblem(second, 412, 'REVISION_CONFLICT')
    expect(second.body.currentRevision).toBe(first.body.revision)
    const viaFollower = await put(subject().follower, 'guarded', {}, { 'if-match': tag })
    expectProblem(viaFollower, 412, 'REVISION_CONFLICT')
    expect(viaFollower.body.currentRevision).toBe(first.body.revision)
    const headers = { 'if-match': tag }
    expectProblem(
      await call(subject().leader, 'DELETE /v1/apis/guarded', { headers }),
      412,
      'REVISION_CONFLICT',
    )
    const good = { 'if-match': `"${first.body.revision}"` }
    expect(
      (await call(subject().leader, 'DELETE /v1/apis/guarded', { headers: good })).status,
    ).toBe(200)
  })

  test('If-None-Match: * creates only, If-Match: * replaces only', async () => {
    expectProblem(
      await put(subject().leader, 'star', {}, { 'if-match': '*' }),
      412,
      'REVISION_CONFLICT',
    )
    expect((await put(subject().leader, 'star', {}, { 'if-none-match': '*' })).status).toBe(201)
    const again = await put(subject().leader, 'star', {}, { 'if-none-match': '*' })
    expectProblem(again, 412, 'REVISION_CONFLICT')
    expect(again.body.currentRevision).toBeGreaterThan(0)
    expect((await put(subject().leader, 'star', {}, { 'if-match': '*' })).status).toBe(200)
  })

  test('a guard that no definition could carry is refused', async () => {
    for (const [headers, path] of [
      [{ 'if-match': 'W/"1"' }, 'If-Match'],
      [{ 'if-match': '"a"' }, 'If-Match'],
      [{ 'if-none-match': '"1"' }, 'If-None-Match'],
      [{ 'if-match': '"1"', 'if-none-match': '*' }, 'If-Match'],
    ] as const) {
      const reply = await put(subject().leader, 'unguarded', {}, headers)
      expectProblem(reply, 400, 'INVALID_REQUEST')
      expect(reply.body.issues[0].path).toBe(path)
    }
  })

  test('an idempotency key makes a repeat harmless, on any node and in spite of its guard', async () => {
    const headers = { 'idempotency-key': 'once-and-only-once', 'if-none-match': '*' }
    const first = await put(subject().leader, 'once', {}, headers)
    expect(first.status).toBe(201)
    const repeat = await put(subject().follower, 'once', {}, headers)
    expect(repeat.status).toBe(201)
    expect(repeat.body).toEqual(first.body)
    const other = await put(subject().leader, 'other', {}, headers)
    expectProblem(other, 422, 'IDEMPOTENCY_KEY_REUSED')
    const history = await call(subject().leader, 'GET /v1/history?kind=Api&name=once')
    expect(history.body.items).toHaveLength(1)
  })

  test('a repeat is answered as the first time, whatever happened to the definition since', async () => {
    const headers = { 'idempotency-key': 'long-ago' }
    await put(subject().leader, 'long-ago')
    const first = await put(subject().leader, 'long-ago', { labels: { a: 'b' } }, headers)
    expect(first.body.createdRevision).toBeLessThan(first.body.revision)
    await call(subject().leader, 'DELETE /v1/apis/long-ago')
    await put(subject().leader, 'long-ago')
    const repeat = await put(subject().leader, 'long-ago', { labels: { a: 'b' } }, headers)
    expect(repeat.body).toEqual(first.body)
    expect(repeat.headers['raftway-revision']).toBe(first.headers['raftway-revision'])
  })
}

function badInputTests(subject: Subject): void {
  test('every issue of a definition is told with its path, and nothing changes', async () => {
    const spec = {
      routes: [{ pth: '/pets', path: 7 }],
      upstream: { targets: [{ url: 'ftp://x', wieght: 1 }] },
      hots: ['a.example.com'],
    }
    const reply = await call(subject().leader, 'PUT /v1/apis/bad', { json: { spec, label: {} } })
    expectProblem(reply, 422, 'INVALID_DEFINITION')
    const messages = Object.fromEntries(
      reply.body.issues.map(({ path, message }: { path: string; message: string }) => [
        path,
        message,
      ]),
    )
    expect(messages['spec.routes.0.pth']).toMatch(/unknown field, did you mean "path"\?/)
    expect(messages['spec.hots']).toMatch(/did you mean "hosts"\?/)
    expect(messages['label']).toMatch(/did you mean "labels"\?/)
    expect(Object.keys(messages)).toEqual(
      expect.arrayContaining([
        'spec.routes.0.path',
        'spec.upstream.targets.0.url',
        'spec.upstream.targets.0.wieght',
      ]),
    )
    expectProblem(await call(subject().leader, 'GET /v1/apis/bad'), 404, 'DEFINITION_NOT_FOUND')
  })

  test('what does not compile is refused with the path as the client knows it', async () => {
    const regex = {
      hosts: ['re.example.com'],
      routes: [{ path: '(', match: 'regex' }],
      upstream: 'nobody-has-this',
    }
    const reply = await call(subject().follower, 'PUT /v1/apis/re', { json: { spec: regex } })
    expectProblem(reply, 422, 'INVALID_DEFINITION')
    const paths = reply.body.issues.map(({ path }: { path: string }) => path)
    expect(paths).toContain('spec.routes.0.path')
    expect(paths).toContain('spec.upstream')
    const twice = { ...apiSpec('twice'), routes: [{ path: '/a' }, { path: '/a' }] }
    expectProblem(
      await call(subject().leader, 'PUT /v1/apis/twice', { json: { spec: twice } }),
      422,
      'INVALID_DEFINITION',
    )
    const plugin = { ...apiSpec('plug'), plugins: { 'no-such-plugin': {} } }
    expectProblem(
      await call(subject().leader, 'PUT /v1/apis/plug', { json: { spec: plugin } }),
      422,
      'INVALID_DEFINITION',
    )
  })

  test('kind and name of a body must be those of the path, and the name must be one', async () => {
    const other = await put(subject().leader, 'mine', { kind: 'Upstream', name: 'yours' })
    expectProblem(other, 422, 'INVALID_DEFINITION')
    expect(other.body.issues.map(({ path }: { path: string }) => path)).toEqual(['kind', 'name'])
    const badName = await put(subject().leader, 'Not_A_Name')
    expectProblem(badName, 422, 'INVALID_DEFINITION')
    expect(badName.body.issues.map(({ path }: { path: string }) => path)).toContain('name')
    const list = await call(subject().leader, 'PUT /v1/apis/list', { json: [] })
    expectProblem(list, 422, 'INVALID_DEFINITION')
    expectProblem(await call(subject().leader, 'PUT /v1/apis/empty'), 422, 'INVALID_DEFINITION')
  })

  test('malformed JSON and YAML are told with line and column', async () => {
    const headers = { 'content-type': 'application/json' }
    for (const [text, line, column] of [
      ['{\n  "spec": {\n    "routes": [}\n', 3, 16],
      ['{"a": 1,\n"a": 2}', 2, 1],
      ['hello', 1, 1],
      ['{"a": "b\n"}', 1, 9],
      ['{"a": 1} x', 1, 10],
    ] as const) {
      const reply = await call(subject().follower, 'PUT /v1/apis/x', { text, headers })
      expectProblem(reply, 400, 'MALFORMED_BODY')
      expect(reply.body, text).toMatchObject({ line, column })
      expect(reply.body.issues[0].path).toBe(`line ${line}, column ${column}`)
      expect(reply.body.detail).toContain(`line ${line}, column ${column}`)
    }
    const yaml = await call(subject().leader, 'PUT /v1/apis/x', {
      text: 'spec:\n  routes: [{ path: /a }\n  hosts: 1\n',
      headers: { 'content-type': 'application/yaml' },
    })
    expectProblem(yaml, 400, 'MALFORMED_BODY')
    expect(yaml.body).toMatchObject({ line: 3, column: expect.any(Number) })
    const text = Buffer.from([0x22, 0xff, 0x22])
    expectProblem(
      await call(subject().leader, 'PUT /v1/apis/x', { text, headers }),
      400,
      'MALFORMED_BODY',
    )
  })

  test('a body over the limit is refused before it is read, and while it comes', async () => {
    const size = 16 * 1024 * 1024 + 1
    const reply = await call(subject().leader, 'POST /v1/transactions', {
      text: Buffer.alloc(size, 0x20),
    })
    expectProblem(reply, 413, 'BODY_TOO_LARGE')
    expect(reply.headers['connection']).toBe('close')
  })

  test('other content types are refused', async () => {
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/json; charset=latin1' },
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    ]) {
      const reply = await call(subject().leader, 'PUT /v1/apis/x', { text: '{}', headers })
      expectProblem(reply, 415, 'UNSUPPORTED_MEDIA_TYPE')
    }
  })

  test('unknown calls, methods and parameters are refused, with a guess', async () => {
    const unknown = await call(subject().leader, 'GET /v1/confg')
    expectProblem(unknown, 404, 'UNKNOWN_CALL')
    expect(unknown.body.detail).toContain('did you mean /v1/config?')
    expectProblem(await call(subject().leader, 'GET /v1/apis/%ff'), 400, 'INVALID_REQUEST')
    const method = await call(subject().leader, 'POST /v1/apis/x')
    expectProblem(method, 405, 'METHOD_NOT_ALLOWED')
    expect(method.headers['allow']).toBe('GET, HEAD, PUT, DELETE')
    const parameter = await call(subject().leader, 'GET /v1/apis?lmit=3&limit=0&consistency=no')
    expectProblem(parameter, 400, 'INVALID_REQUEST')
    expect(parameter.body.issues).toEqual([
      { path: 'lmit', message: expect.stringContaining('did you mean "limit"?') },
      { path: 'limit', message: 'must be an integer from 1 to 1000' },
      { path: 'consistency', message: 'must be linearizable or stale' },
    ])
    const wait = await put(subject().leader, 'x?wait=forever&timeoutMs=-1&dryRun=1')
    expectProblem(wait, 400, 'INVALID_REQUEST')
    expect(wait.body.issues.map(({ path }: { path: string }) => path)).toEqual([
      'wait',
      'timeoutMs',
      'dryRun',
    ])
    const key = await put(subject().leader, 'x', {}, { 'idempotency-key': 'k'.repeat(129) })
    expectProblem(key, 400, 'INVALID_REQUEST')
    expect(key.body.issues[0].path).toBe('Idempotency-Key')
  })
}

function listTests(subject: Subject): void {
  test('lists are paged by name and filtered by label', async () => {
    for (const [at, name] of ['page-a', 'page-b', 'page-c', 'page-d', 'page-e'].entries()) {
      const labels = { page: at % 2 === 0 ? 'even' : 'odd', paged: 'yes' }
      expect((await put(subject().leader, name, { labels })).status).toBe(201)
    }
    const names: string[] = []
    let cursor: string | null = null
    let pages = 0
    do {
      const more: string = cursor === null ? '' : `&cursor=${cursor}`
      const page = await call(subject().follower, `GET /v1/apis?limit=2&label=paged=yes${more}`)
      expect(page.status).toBe(200)
      names.push(...page.body.items.map((item: { name: string }) => item.name))
      cursor = page.body.cursor
      pages++
    } while (cursor !== null)
    expect(names).toEqual(['page-a', 'page-b', 'page-c', 'page-d', 'page-e'])
    expect(pages).toBe(3)
    const odd = await call(subject().leader, 'GET /v1/apis?label=page=odd&label=paged')
    expect(odd.body.items.map((item: { name: string }) => item.name)).toEqual(['page-b', 'page-d'])
    expect(odd.body.cursor).toBeNull()
    expectProblem(
      await call(subject().leader, 'GET /v1/apis?cursor=nonsense'),
      400,
      'INVALID_REQUEST',
    )
  })
}

function transactionTests(subject: Subject): void {
  test('a transaction is one revision, all of it', async () => {
    await put(subject().leader, 'tx-old')
    const reply = await call(subject().leader, 'POST /v1/transactions', {
      json: {
        operations: [
          {
            op: 'put',
            kind: 'Upstream',
            name: 'tx-up',
            spec: { targets: [{ url: 'http://127.0.0.1:9001' }] },
          },
          {
            op: 'put',
            kind: 'Api',
            name: 'tx-api',
            spec: { ...apiSpec('tx-api'), upstream: 'tx-up' },
            ifRevision: 0,
          },
          { op: 'delete', kind: 'Api', name: 'tx-old' },
        ],
        message: 'three at once',
      },
      headers: { 'raftway-author': 'ada' },
    })
    expect(reply.status, reply.text).toBe(200)
    const revision = revisionOf(reply)
    expect(reply.body).toEqual({
      revision,
      results: [
        { op: 'put', kind: 'Upstream', name: 'tx-up', revision, created: true },
        { op: 'put', kind: 'Api', name: 'tx-api', revision, created: true },
        { op: 'delete', kind: 'Api', name: 'tx-old', revision, created: false },
      ],
      unchanged: false,
    })
    const history = await call(subject().leader, 'GET /v1/history?limit=1')
    expect(history.body.items).toEqual([
      {
        revision,
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        author: 'ada',
        message: 'three at once',
        changes: [
          { op: 'put', kind: 'Upstream', name: 'tx-up' },
          { op: 'put', kind: 'Api', name: 'tx-api' },
          { op: 'delete', kind: 'Api', name: 'tx-old' },
        ],
      },
    ])
    expect(history.body.cursor).toBe(revision)
  })

  test('a transaction with bad operations changes nothing and tells of each', async () => {
    const before = revisionOf(await call(subject().leader, 'GET /v1/config'))
    const operations = [
      { op: 'put', kind: 'Api', name: 'tx-good', spec: apiSpec('tx-good') },
      { op: 'put', kind: 'Api', name: 'tx-bad', spec: { routes: [], upstrem: 'x' } },
      { op: 'remove', kind: 'Api', name: 'x' },
      { op: 'delete', kind: 'Apis', name: 'x', spec: {} },
      { op: 'put', kind: 'Api', name: 'x', spec: apiSpec('x'), ifRevision: 'one' },
      null,
    ]
    const reply = await call(subject().leader, 'POST /v1/transactions', {
      json: { operations, massage: 'm' },
    })
    expectProblem(reply, 422, 'INVALID_DEFINITION')
    const paths = reply.body.issues.map(({ path }: { path: string }) => path)
    expect(paths).toEqual([
      'massage',
      'operations.1.spec.routes',
      'operations.1.spec.upstrem',
      'operations.2.op',
      'operations.3.spec',
      'operations.3.kind',
      'operations.4.ifRevision',
      'operations.5',
    ])
    expect(revisionOf(await call(subject().leader, 'GET /v1/config'))).toBe(before)
  })

  test('guards of a transaction hold for the definition and for the config', async () => {
    const created = await put(subject().leader, 'tx-guard')
    const operation = { op: 'put', kind: 'Api', name: 'tx-guard', spec: apiSpec('tx-guard') }
    const stale = { operations: [{ ...operation, ifRevision: created.body.revision - 1 }] }
    const one = await call(subject().leader, 'POST /v1/transactions', { json: stale })
    expectProblem(one, 412, 'REVISION_CONFLICT')
    expect(one.body.currentRevision).toBe(created.body.revision)
    expect(one.body.issues[0].path).toBe('operations.0')
    const json = { operations: [operation], ifConfigRevision: created.body.revision - 1 }
    expectProblem(
      await call(subject().leader, 'POST /v1/transactions', { json }),
      412,
      'REVISION_CONFLICT',
    )
    expectProblem(
      await call(subject().leader, 'POST /v1/transactions', { json: { operations: [] } }),
      422,
      'INVALID_DEFINITION',
    )
  })

  test('the whole config is replaced at once, and what it named no more is gone', async () => {
    await put(subject().leader, 'config-a')
    await put(subject().leader, 'config-b')
    const before = await call(subject().leader, 'GET /v1/config')
    expect(before.body).toMatchObject({
      revision: revisionOf(before),
      hash: expect.stringMatching(HASH),
    })
    const same = await call(subject().follower, 'PUT /v1/config', { json: before.body })
    expect(same.status, same.text).toBe(200)
    expect(same.body).toEqual({ revision: before.body.revision, results: [], unchanged: true })
    const definitions = before.body.definitions
      .filter((each: { name: string }) => each.name !== 'config-b')
      .map((each: { name: string }) =>
        each.name === 'config-a' ? { ...each, labels: { a: 'b' } } : each,
      )
    const replaced = await call(subject().leader, 'PUT /v1/config', {
      json: { definitions, message: 'prune', ifConfigRevision: before.body.revision },
    })
    expect(
      replaced.body.results.map(({ op, name }: { op: string; name: string }) => `${op} ${name}`),
    ).toEqual(['put config-a', 'delete config-b'])
    const old = await call(subject().leader, `GET /v1/config?revision=${before.body.revision}`)
    expect(old.body).toEqual({
      revision: before.body.revision,
      definitions: before.body.definitions,
    })
    const broken = await call(subject().leader, 'PUT /v1/config', {
      json: { definitions: [{ kind: 'Api', name: 'x', spec: {} }] },
    })
    expectProblem(broken, 422, 'INVALID_DEFINITION')
    expect(broken.body.issues[0].path).toBe('definitions.0.spec.routes')
    const ahead = await call(subject().leader, 'GET /v1/config?revision=999999999')
    expectProblem(ahead, 404, 'REVISION_NOT_FOUND')
  })
}

function historyTests(subject: Subject): void {
  test('history, differences and the way back', async () => {
    const created = await put(subject().leader, 'past', { labels: { form: 'first' } })
    const changed = await put(subject().leader, 'past', { labels: { form: 'second' } })
    const deleted = await call(subject().leader, 'DELETE /v1/apis/past')
    const [first, second, third] = [created, changed, deleted].map(revisionOf)
    const history = await call(subject().follower, 'GET /v1/history?kind=apis&name=past&limit=2')
    expect(history.body.items.map((item: { revision: number }) => item.revision)).toEqual([
      third,
      second,
    ])
    expect(history.body.items[0]).toMatchObject({ author: 'anonymous', message: null })
    const rest = await call(
      subject().leader,
      `GET /v1/history?kind=Api&name=past&before=${history.body.cursor}`,
    )
    expect(rest.body.items.map((item: { revision: number }) => item.revision)).toEqual([first])
    expect(rest.body.cursor).toBeNull()

    const changes = await call(subject().leader, `GET /v1/diff?from=${first}&to=${second}`)
    expect(changes.body).toEqual({
      from: first,
      to: second,
      changes: [
        { op: 'changed', kind: 'Api', name: 'past', before: created.body, after: changed.body },
      ],
    })
    const back = await call(subject().follower, 'POST /v1/rollback', {
      json: { revision: first, message: 'undo' },
    })
    expect(back.status, back.text).toBe(200)
    expect(back.body.results).toMatchObject([
      { op: 'put', kind: 'Api', name: 'past', created: true },
    ])
    const restored = await call(subject().leader, 'GET /v1/apis/past')
    expect(restored.body.labels).toEqual({ form: 'first' })
    const none = await call(subject().leader, `GET /v1/diff?from=${first}`)
    expect(none.body.changes).toEqual([])
    const gone = await call(subject().leader, `GET /v1/diff?from=${third}&to=${first}`)
    expect(gone.body.changes).toMatchObject([{ op: 'added', name: 'past', after: created.body }])
  })

  test('revisions that cannot be and parameters that are missing are refused', async () => {
    const far = { json: { revision: 999_999_999 } }
    expectProblem(await call(subject().leader, 'POST /v1/rollback', far), 404, 'REVISION_NOT_FOUND')
    const none = await call(subject().leader, 'POST /v1/rollback', { json: {} })
    expectProblem(none, 400, 'INVALID_REQUEST')
    expect(none.body.issues).toEqual([{ path: 'revision', message: 'is required' }])
    const diff = await call(subject().leader, 'GET /v1/diff')
    expectProblem(diff, 400, 'INVALID_REQUEST')
    expect(diff.body.issues).toEqual([{ path: 'from', message: 'is required' }])
    expectProblem(await call(subject().leader, 'GET /v1/history?kind=Apu'), 400, 'INVALID_REQUEST')
    expectProblem(await call(subject().leader, 'GET /v1/history?name=x'), 400, 'INVALID_REQUEST')
  })

  test('explain tells the matched route and the candidates that lost', async () => {
    await put(subject().leader, 'explained')
    const hit = await call(
      subject().follower,
      `GET /v1/explain?method=get&url=${encodeURIComponent('http://EXPLAINED.example.com:8080/pets/1?q=2')}`,
    )
    expect(hit.status, hit.text).toBe(200)
    expect(hit.body).toMatchObject({
      matched: { api: 'explained', route: 0 },
      candidates: expect.any(Array),
    })
    const header = encodeURIComponent('Host: explained.example.com')
    const byHeader = await call(subject().leader, `GET /v1/explain?url=/pets&header=${header}`)
    expect(byHeader.body.matched.api).toBe('explained')
    const miss = await call(subject().leader, 'GET /v1/explain?url=http://nobody.invalid/')
    expect(miss.body.matched).toBeNull()
    const stream = { port: 4_321, upstream: { targets: [{ url: 'tcp://127.0.0.1:1' }] } }
    await call(subject().leader, 'PUT /v1/streams/explained', { json: { spec: stream } })
    const taken = await call(subject().follower, 'GET /v1/explain?url=tls://x.example:4321')
    expect(taken.body).toMatchObject({
      matched: { stream: 'explained', host: '*', port: 4_321, upstream: 'Stream/explained' },
      candidates: [],
    })
    expectProblem(await call(subject().leader, 'GET /v1/explain?url=pets'), 400, 'INVALID_REQUEST')
    expectProblem(
      await call(subject().leader, 'GET /v1/explain?url=/&header=x'),
      400,
      'INVALID_REQUEST',
    )
  })
}

function followerTests(subject: Subject): void {
  test('a write through a follower is acknowledged when it can be read there', async () => {
    for (let i = 0; i < 20; i++) {
      const written = await put(subject().follower, 'forwarded', { labels: { round: String(i) } })
      expect(written.status, written.text).toBe(i === 0 ? 201 : 200)
      expect(written.headers['etag']).toBe(`"${written.body.revision}"`)
      const read = await call(subject().follower, 'GET /v1/apis/forwarded?consistency=stale')
      expect(read.body).toEqual(written.body)
    }
    expect((await call(subject().follower, 'DELETE /v1/apis/forwarded')).status).toBe(200)
  })

  test('a read through a follower sees what the leader acknowledged', async () => {
    for (let i = 0; i < 20; i++) {
      const written = await put(subject().leader, 'linear', { labels: { round: String(i) } })
      const read = await call(subject().follower, 'GET /v1/apis/linear')
      expect(read.body).toEqual(written.body)
    }
  })

  test('what the leader refuses is refused by a follower in the same words', async () => {
    const json = { spec: { routes: [{ pth: '/' }] } }
    const here = await call(subject().leader, 'PUT /v1/apis/refused', { json })
    const there = await call(subject().follower, 'PUT /v1/apis/refused', { json })
    expectProblem(there, 422, 'INVALID_DEFINITION')
    expect(there.body).toEqual(here.body)
    expectProblem(
      await call(subject().follower, 'DELETE /v1/apis/refused'),
      404,
      'DEFINITION_NOT_FOUND',
    )
  })
}

function watchTests(subject: Subject): void {
  test('a watch begins with a snapshot and goes on with every change', async () => {
    await put(subject().follower, 'watched')
    const watch = await TestWatch.open(subject().follower)
    const snapshot = await watch.next()
    expect(snapshot).toEqual({
      type: 'snapshot',
      revision: expect.any(Number),
      count: expect.any(Number),
    })
    const definitions = []
    for (let i = 0; i < snapshot.count; i++) definitions.push((await watch.next()).definition)
    expect(definitions.find(({ name }) => name === 'watched')).toMatchObject({
      kind: 'Api',
      spec: apiSpec('watched'),
    })
    const end = await watch.next()
    expect(end).toEqual({
      type: 'snapshot-end',
      revision: snapshot.revision,
      hash: expect.stringMatching(HASH),
    })
    const written = await put(subject().leader, 'watched', { labels: { a: 'b' } })
    const change = await watch.nextOf('change')
    expect(change).toEqual({
      type: 'change',
      revision: written.body.revision,
      hash: expect.stringMatching(HASH),
      changes: [{ op: 'put', definition: written.body }],
    })
    const deleted = await call(subject().follower, 'DELETE /v1/apis/watched')
    expect(await watch.nextOf('change')).toMatchObject({
      revision: deleted.body.revision,
      changes: [{ op: 'delete', kind: 'Api', name: 'watched' }],
    })
    watch.close()
  })

  test('a watch that resumes gets exactly what it missed', async () => {
    const first = revisionOf(await put(subject().leader, 'resumed'))
    const missed = []
    for (let i = 0; i < 5; i++) {
      missed.push(revisionOf(await put(subject().leader, 'resumed', { labels: { i: String(i) } })))
    }
    const watch = await TestWatch.open(subject().leader, `?from=${first}`)
    const seen = []
    for (let i = 0; i < 5; i++) seen.push((await watch.nextOf('change')).revision)
    expect(seen).toEqual(missed)
    const live = revisionOf(await put(subject().leader, 'resumed'))
    expect((await watch.nextOf('change')).revision).toBe(live)
    watch.close()
  })

  test('a watch from a revision that this cluster never had starts over', async () => {
    const watch = await TestWatch.open(subject().follower, '?from=999999999')
    expect(await watch.next()).toEqual({ type: 'compacted', revision: expect.any(Number) })
    expect(await watch.next()).toMatchObject({ type: 'snapshot' })
    watch.close()
    expectProblem(await call(subject().leader, 'GET /v1/watch?from=-1'), 400, 'INVALID_REQUEST')
    expectProblem(
      await call(subject().leader, 'GET /v1/watch?gateway=a%20b'),
      400,
      'INVALID_REQUEST',
    )
  })
}

/** A gateway as far as a node can tell: it watches, and reports what it has been told. */
async function joinAsGateway(
  base: string,
  name: string,
): Promise<{
  watch: TestWatch
  report(line: { revision: number; hash: string }, more?: object): Promise<Reply>
}> {
  const watch = await TestWatch.open(base, `?gateway=${name}&label.zone=a`)
  return {
    watch,
    report: ({ revision, hash }, more = {}) =>
      call(base, `POST /v1/gateways/${name}/report`, {
        json: { revision, hash, version: '1.2.3', workers: 2, quarantined: [], ...more },
      }),
  }
}

/** The line that brings a watch to a revision. */
async function reach(watch: TestWatch, revision: number): Promise<Line> {
  for (;;) {
    const line = await watch.next()
    if (/^(snapshot-end|change)$/.test(line.type) && line.revision >= revision) return line
  }
}

function gatewayTests(subject: Subject): void {
  test('without gateways, waiting for them ends at once', async () => {
    const reply = await put(subject().leader, 'lonely?wait=applied')
    expect(reply.status, reply.text).toBe(201)
    expect(reply.body.rollout).toEqual({
      revision: reply.body.revision,
      gateways: 0,
      applied: 0,
      behind: [],
    })
  })

  test('a write waits for gateways of every node, and names those that are behind', async () => {
    const near = await joinAsGateway(subject().leader, 'gw-near')
    const far = await joinAsGateway(subject().follower, 'gw-far')
    try {
      // A follower may still be on its way to what the leader has: both begin at one known revision.
      const { revision: begin } = (await put(subject().leader, 'rolled')).body
      const reported = await near.report(await reach(near.watch, begin))
      expect(reported.status).toBe(204)
      expect(reported.headers['raftway-revision']).toMatch(/^\d+$/)
      await far.report(await reach(far.watch, begin))
      await until(async () => {
        const { body } = await call(subject().leader, 'GET /v1/gateways')
        const there = body.items.filter((item: { revision: number }) => item.revision === begin)
        return there.length === 2
      })
      const pending = put(subject().leader, 'rolled?wait=applied&timeoutMs=20000')
      await near.report(await near.watch.nextOf('change'))
      await far.report(await far.watch.nextOf('change'))
      const done = await pending
      const { revision } = done.body
      expect(done.body.rollout).toEqual({ revision, gateways: 2, applied: 2, behind: [] })

      const late = put(subject().follower, 'rolled?wait=applied&timeoutMs=1000')
      await near.report(await near.watch.nextOf('change'))
      const told = await late
      expect(told.body).toMatchObject({ kind: 'Api', name: 'rolled' })
      expect(told.body.rollout).toEqual({
        revision: told.body.revision,
        gateways: 2,
        applied: 1,
        behind: [{ name: 'gw-far', revision, reason: 'has not applied yet' }],
      })
      const refusal = call(subject().leader, 'DELETE /v1/apis/rolled?wait=applied&timeoutMs=20000')
      await near.report(await near.watch.nextOf('change'))
      await far.watch.nextOf('change')
      const quarantined = [{ kind: 'Api', name: 'rolled', reason: 'no such file' }]
      await far.report(await far.watch.nextOf('change'), { quarantined })
      expect((await refusal).body.rollout).toMatchObject({
        gateways: 2,
        applied: 1,
        behind: [{ name: 'gw-far', reason: 'quarantined Api/rolled: no such file' }],
      })
    } finally {
      near.watch.close()
      far.watch.close()
    }
    await until(async () => {
      const { body } = await call(subject().leader, 'GET /v1/gateways')
      return body.items.every((item: { connected: boolean }) => !item.connected)
    })
  })

  test('every node lists every gateway, and what it serves', async () => {
    const gateway = await joinAsGateway(subject().follower, 'gw-listed')
    try {
      const { revision } = (await put(subject().leader, 'listed')).body
      const end = await reach(gateway.watch, revision)
      await gateway.report(end, { labels: { team: 'x' }, routes: 7, source: 'control-plane' })
      const cluster = await call(subject().follower, 'GET /v1/cluster')
      for (const base of [subject().leader, subject().follower]) {
        const find = async () => {
          const { body } = await call(base, 'GET /v1/gateways')
          return body.items.find((item: { name: string }) => item.name === 'gw-listed')
        }
        await until(async () => (await find())?.revision === end.revision)
        expect(await find()).toMatchObject({
          name: 'gw-listed',
          node: cluster.body.node,
          connected: true,
          revision: end.revision,
          hash: end.hash,
          behind: 0,
          lastReportMs: expect.any(Number),
          version: '1.2.3',
          workers: 2,
          routes: 7,
          quarantined: [],
          labels: { team: 'x' },
        })
      }
      const bad = await gateway.report({ revision: -1, hash: 'x' }, { hsah: 1 })
      expectProblem(bad, 400, 'INVALID_REQUEST')
      const paths = bad.body.issues.map(({ path }: { path: string }) => path)
      expect(paths.sort()).toEqual(['hash', 'hsah', 'revision'])
    } finally {
      gateway.watch.close()
    }
  })
}

function clusterTests(subject: Subject): void {
  test('the cluster is told by every node', async () => {
    const { body, headers } = await call(subject().follower, 'GET /v1/cluster')
    expect(body).toMatchObject({
      clusterId: expect.any(String),
      node: expect.any(String),
      leader: expect.any(String),
      term: expect.any(Number),
      commitIndex: expect.any(Number),
      appliedIndex: expect.any(Number),
      revision: Number(headers['raftway-revision']),
    })
    expect(body.members.length).toBeGreaterThan(1)
    for (const member of body.members) {
      expect(member).toMatchObject({
        name: expect.any(String),
        role: expect.stringMatching(/^(voter|learner)$/),
        state: expect.stringMatching(/^(leader|follower|candidate|unknown)$/),
        api: expect.stringMatching(/^http:\/\//),
        peer: expect.stringMatching(/:\d+$/),
        matchIndex: expect.any(Number),
        healthy: expect.any(Boolean),
      })
    }
    const states = body.members.filter(({ state }: { state: string }) => state === 'leader')
    expect(states.map((each: { name: string }) => each.name)).toEqual([body.leader])
  })

  test('membership calls through a follower reach the leader, and refuse what cannot be', async () => {
    const bad = await call(subject().follower, 'POST /v1/cluster/members', {
      json: { peer: 'nowhere', per: 1 },
    })
    expectProblem(bad, 400, 'INVALID_REQUEST')
    expect(bad.body.issues.map(({ path }: { path: string }) => path)).toEqual(['per', 'peer'])
    expectProblem(
      await call(subject().follower, 'DELETE /v1/cluster/members/nobody'),
      404,
      'MEMBER_NOT_FOUND',
    )
    expectProblem(
      await call(subject().leader, 'POST /v1/cluster/members/nobody/promote'),
      404,
      'MEMBER_NOT_FOUND',
    )
    const nobody = await call(subject().leader, 'POST /v1/cluster/leader', {
      json: { name: 'nobody' },
    })
    expectProblem(nobody, 404, 'MEMBER_NOT_FOUND')
  })

  test('health, readiness and metrics', async () => {
    for (const base of [subject().leader, subject().follower]) {
      const up = await call(base, 'GET /healthz')
      expect([up.status, up.body]).toEqual([200, { status: 'up', version: expect.any(String) }])
      const ready = await call(base, 'GET /readyz')
      expect([ready.status, ready.body.status]).toEqual([200, 'ready'])
      const metrics = await call(base, 'GET /metrics')
      expect(metrics.headers['content-type']).toContain('text/plain')
      for (const name of [
        'process_resident_memory_bytes',
        'raftway_raft_term',
        'raftway_raft_commit_index',
        'raftway_raft_applied_index',
        'raftway_raft_is_leader',
        'raftway_revision',
        'raftway_watchers',
        'raftway_gateways_connected',
        'raftway_members',
      ]) {
        expect(metrics.text).toMatch(new RegExp(`^${name} [0-9.e+]+$`, 'm'))
      }
    }
    const { text } = await call(subject().leader, 'GET /metrics')
    expect(text).toMatch(
      /raftway_api_request_seconds_count\{call="PUT \/v1\/apis\/\{name\}",status="201"\} \d+/,
    )
  })

  test('leadership moves on demand, and writes through every node go on', async () => {
    const before = await call(subject().leader, 'GET /v1/cluster')
    const moved = await call(subject().follower, 'POST /v1/cluster/leader')
    expect(moved.status, moved.text).toBe(200)
    expect(moved.body.leader).not.toBe(before.body.leader)
    for (const base of [subject().leader, subject().follower]) {
      const written = await put(base, 'after-transfer')
      expect(written.status, written.text).toBeLessThan(300)
    }
    const back = await call(subject().leader, 'POST /v1/cluster/leader', {
      json: { name: before.body.leader },
    })
    expect(back.body).toEqual({ leader: before.body.leader })
  })
}
