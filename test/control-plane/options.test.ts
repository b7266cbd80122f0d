// A row of a table that fails is named: the rule does not know it.
/* oxlint-disable vitest/valid-expect */
import { expect, test } from 'vitest'
import { checkServerOptions, needsTokens } from '../../control-plane/options.ts'
import { SILENT } from '../../shared/logger.ts'

type Given = {
  readonly api?: string
  readonly peer?: string
  readonly auth?: 'on' | 'off'
  readonly insecure?: boolean
  readonly join?: readonly string[]
  readonly expect?: number | null
}

function check({
  api = '127.0.0.1',
  peer = '127.0.0.1',
  auth,
  insecure = false,
  join = [],
  expect: founders = null,
}: Given): {
  readonly tokens: boolean | null
  readonly issues: readonly string[]
} {
  const checked = checkServerOptions({
    name: 'n1',
    dataDir: '/nowhere',
    api: { host: api, port: 7400 },
    peer: { host: peer, port: 7401 },
    join: [...join],
    expect: founders,
    advertiseApi: null,
    advertisePeer: null,
    ...(auth === undefined ? {} : { auth }),
    insecure,
    logger: SILENT,
  })
  if (!checked.ok) return { tokens: null, issues: checked.issues }
  return { tokens: needsTokens(checked.options), issues: [] }
}

test('a cluster is founded by more than half of the join list, or two could be', () => {
  const join = ['a:1', 'b:1', 'c:1', 'd:1']
  expect(check({ join, expect: 2 }).issues.join()).toMatch(/^expect: must be more than half/)
  expect(check({ join: ['a:1', 'b:1'], expect: 1 }).issues).toHaveLength(1)
  expect(check({ join, expect: 3 }).issues).toEqual([])
  expect(check({ join: ['a:1'], expect: 1 }).issues).toEqual([])
  expect(check({ join: [...join, ...join], expect: 3 }).issues).toEqual([])
  expect(check({ join, expect: null }).issues).toEqual([])
})

test('calls need tokens unless only this machine reaches the node, or the operator says otherwise', () => {
  for (const [given, tokens] of [
    [{}, false],
    [{ api: 'localhost', peer: '::1' }, false],
    [{ api: '127.5.0.1' }, false],
    [{ auth: 'on' }, true],
    [{ auth: 'off' }, false],
    [{ api: '10.0.0.1' }, true],
    [{ peer: '10.0.0.1' }, true],
    [{ api: '10.0.0.1', insecure: true }, true],
    [{ api: '10.0.0.1', insecure: true, auth: 'off' }, false],
    [{ api: '127.0.0.1.example.com' }, true],
  ] as const) {
    const result = check(given)
    expect(result, JSON.stringify(given)).toEqual({ tokens, issues: [] })
  }
})

test('an open API off this machine is refused unless --insecure says so', () => {
  for (const given of [
    { api: '10.0.0.1', auth: 'off' },
    { peer: '10.0.0.1', auth: 'off' },
  ] as const) {
    const { issues } = check(given)
    expect(issues.join()).toMatch(/^auth: off makes everybody an admin/)
  }
})
