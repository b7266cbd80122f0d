import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { renderMembers, renderStatus } from '../../cli/cluster/render-status.ts'
import type { InspectedCluster } from '../../cli/cluster/inspect.ts'
import { colours } from '../../cli/render/colour.ts'
import { renderDifference } from '../../cli/render/definition-diff.ts'
import { diffLines, withContext } from '../../cli/render/line-diff.ts'
import { splitLines } from '../../cli/render/split-lines.ts'
import { printable, renderTable } from '../../cli/render/table.ts'
import { DIFF_EDITS_MAX } from '../../shared/limits.ts'

const PLAIN = colours({ hasColour: false })

describe('tables', () => {
  test('stand in columns without borders, numbers to the right, nothing trailing', () => {
    const text = renderTable(
      ['NAME', 'N', 'WHAT'],
      [
        ['a', 7, 'x'],
        ['longer', 1234, ''],
      ],
    )
    expect(text).toBe('NAME       N  WHAT\na          7  x\nlonger  1234\n')
  })

  test('show what a definition hides from the terminal', () => {
    expect(printable('a\u001b[2Jb\u0007\r\n')).toBe('a?[2Jb???')
    expect(renderTable(['N'], [['x\u001b]0;title\u0007']])).toBe('N\nx?]0;title?\n')
  })

  test('keep our own colours', () => {
    const { red } = colours({ hasColour: true })
    expect(printable(red('down'))).toBe('\u001b[31mdown\u001b[39m')
  })
})

describe('the difference of two texts', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 })

  /** Longest common subsequence by the book. */
  const common = (a: readonly string[], b: readonly string[]): number => {
    const table = a.map(() => b.map(() => 0))
    const at = (i: number, j: number): number => table[i]?.[j] ?? 0
    a.forEach((left, i) => {
      b.forEach((right, j) => {
        table[i]![j] = left === right ? at(i - 1, j - 1) + 1 : Math.max(at(i - 1, j), at(i, j - 1))
      })
    })
    return at(a.length - 1, b.length - 1)
  }

  test('gives back both, and is the shortest', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const lines = diffLines(`${a.join('\n')}\n`, `${b.join('\n')}\n`)
        const side = (other: string): string[] =>
          lines.filter(({ type }) => type !== other).map((line) => line.text)
        // A text without lines still ends one.
        const [left, right] = [a.length === 0 ? [''] : a, b.length === 0 ? [''] : b]
        expect(side('added')).toEqual(left)
        expect(side('removed')).toEqual(right)
        expect(lines.filter(({ type }) => type === 'same')).toHaveLength(common(left, right))
      }),
      { numRuns: 2_000 },
    )
  })

  test('is all of one and all of the other beyond the bound', () => {
    const count = DIFF_EDITS_MAX
    const before = Array.from({ length: count }, (_, at) => `a${at}`).join('\n')
    const after = Array.from({ length: count }, (_, at) => `b${at}`).join('\n')
    const lines = diffLines(before, after)
    expect(lines).toHaveLength(2 * count)
    expect(lines[0]).toEqual({ type: 'removed', text: 'a0' })
    expect(lines.at(-1)).toEqual({ type: 'added', text: `b${count - 1}` })
  })

  test('is shown with a little of what surrounds it', () => {
    const before = Array.from({ length: 20 }, (_, at) => `line ${at}`)
    const after = before.with(10, 'other')
    const shown = withContext(diffLines(before.join('\n'), after.join('\n')), 2)
    expect(shown.map((line) => line?.text ?? '…')).toEqual([
      'line 8',
      'line 9',
      'line 10',
      'other',
      'line 11',
      'line 12',
    ])
  })

  test('of a definition is YAML with signs', () => {
    const before = { kind: 'Upstream', name: 'a', spec: { targets: [{ url: 'http://h:1' }] } }
    const after = { ...before, spec: { targets: [{ url: 'http://h:2' }] } }
    const difference = { op: 'changed', kind: 'Upstream', name: 'a', before, after } as const
    expect(renderDifference(difference, PLAIN)).toBe(
      [
        '~ Upstream/a',
        '  name: a',
        '  spec:',
        '    targets:',
        '-     - url: http://h:1',
        '+     - url: http://h:2',
        '',
      ].join('\n'),
    )
  })
})

describe('the status of a cluster', () => {
  const member = (name: string, more: Partial<InspectedCluster['members'][number]> = {}) => ({
    name,
    role: 'voter' as const,
    state: 'follower',
    api: `http://${name}:7400`,
    peer: `${name}:7401`,
    matchIndex: 90,
    healthy: true,
    condition: 'up' as const,
    lag: 0,
    revision: 42,
    ...more,
  })
  const cluster = (
    members: InspectedCluster['members'],
    leader: string | null,
  ): InspectedCluster => ({
    cluster: {
      clusterId: 'c',
      node: 'n1',
      leader,
      term: 3,
      commitIndex: 100,
      appliedIndex: 100,
      revision: 42,
      members: [...members],
    },
    members,
    gateways: { connected: 4, behind: 1 },
  })

  test('says who leads, who lags and who is down', () => {
    const members = [
      member('n1', { state: 'leader' }),
      member('n2', { lag: 7, revision: 40 }),
      member('n3', { condition: 'down', healthy: false, lag: null, revision: null }),
    ]
    expect(renderStatus(cluster(members, 'n1'), PLAIN)).toBe(
      [
        'n1 leads in term 3, at revision 42',
        'voters: 2 of 3 up; none may fail',
        'gateways: 4 connected, 1 behind',
        '',
        'NAME  ROLE   STATE     CONDITION  LAG       REVISION  API             PEER',
        'n1    voter  leader    up         0         42        http://n1:7400  n1:7401',
        'n2    voter  follower  up         7 behind  40        http://n2:7400  n2:7401',
        'n3    voter  -         down       ?         ?         http://n3:7400  n3:7401',
        '',
      ].join('\n'),
    )
  })

  test('says since when a member is down', () => {
    const conditions = [4_200, 61_000, 7_300_000, 400_000_000].map((lastHeardMs) => {
      const down = { condition: 'down', healthy: false, lastHeardMs } as const
      return /down for \w+/.exec(renderStatus(cluster([member('n1', down)], null), PLAIN))?.[0]
    })
    expect(conditions).toEqual(['down for 4s', 'down for 1m', 'down for 2h', 'down for 4d'])
  })

  test('says that nothing can be written when the quorum is lost', () => {
    const down = { condition: 'down', healthy: false, lag: null, revision: null } as const
    const text = renderStatus(
      cluster([member('n1'), member('n2', down), member('n3', down)], null),
      PLAIN,
    )
    expect(text).toContain('no leader: nothing can be written')
    expect(text).toContain('voters: 1 of 3 up; the quorum is lost')
  })

  test('tells how many more may fail', () => {
    const five = ['n1', 'n2', 'n3', 'n4', 'n5'].map((name) => member(name))
    expect(renderStatus(cluster(five, 'n1'), PLAIN)).toContain('voters: 5 of 5 up; 2 more may fail')
    const three = ['n1', 'n2', 'n3'].map((name) => member(name))
    expect(renderStatus(cluster(three, 'n1'), PLAIN)).toContain('; one more may fail')
  })

  test('versions are shown while they differ, and only then', () => {
    const same = ['n1', 'n2'].map((name) => member(name, { version: '0.2.0' }))
    expect(renderMembers(same)).not.toContain('VERSION')
    expect(renderStatus(cluster(same, 'n1'), PLAIN)).not.toContain('versions')
    const mixed = [
      member('n1', { version: '0.3.0' }),
      member('n2', { version: '0.2.0' }),
      member('n3'),
    ]
    expect(renderMembers(mixed)).toMatch(
      /^NAME .* VERSION\nn1 .* 0\.3\.0\nn2 .* 0\.2\.0\nn3 .* \?\n$/,
    )
    expect(renderStatus(cluster(mixed, 'n1'), PLAIN)).toContain(
      'versions differ: 0.3.0 on n1; 0.2.0 on n2; unknown on n3.',
    )
  })
})

describe('lines of a stream', () => {
  async function* pieces(texts: readonly string[]): AsyncGenerator<Uint8Array> {
    for (const text of texts) yield Buffer.from(text)
  }

  test('are whole however the stream is cut', async () => {
    const whole = 'one\ntwo ü\n\nthree\ncut off'
    const bytes = Buffer.from(whole)
    for (let size = 1; size <= bytes.length; size++) {
      const cut = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
      }
      expect(await Array.fromAsync(splitLines(cut(), 100))).toEqual(['one', 'two ü', 'three'])
    }
  })

  test('longer than the bound end the stream', async () => {
    await expect(Array.fromAsync(splitLines(pieces(['a'.repeat(9), 'aa']), 10))).rejects.toThrow(
      /longer than 10/,
    )
  })
})
