/** Goal: no more of a body passes than its caller may send, whether its length is told or only its end. */
import { describe, expect, test } from 'vitest'
import { consumer, golden, pluginBench, withKey, type PluginBench } from './support.ts'

async function bounded(requireLength = false): Promise<PluginBench> {
  return pluginBench(
    {
      'key-auth': {},
      authentication: { require: 'none' },
      'size-limit': { bytes: 10, consumers: { ada: 20, bob: 5 }, requireLength },
    },
    consumer('ada', withKey('a')),
    consumer('bob', withKey('b')),
  )
}

function post(
  bench: PluginBench,
  bytes: number,
  field = 'X-None: 1',
): ReturnType<PluginBench['ask']> {
  return bench.ask(`POST / HTTP/1.1\r\n${field}\r\nContent-Length: ${bytes}\r\n`, 'x'.repeat(bytes))
}

function chunked(bench: PluginBench, ...sizes: readonly number[]): ReturnType<PluginBench['ask']> {
  const chunks = sizes.map((size) => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`)
  return bench.ask(
    'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n',
    `${chunks.join('')}0\r\n\r\n`,
  )
}

describe('a body of a told length', () => {
  test.each([
    [10, 'X-None: 1', 200],
    [11, 'X-None: 1', 413],
    [20, 'X-Api-Key: a', 200],
    [21, 'X-Api-Key: a', 413],
    [5, 'X-Api-Key: b', 200],
    [6, 'X-Api-Key: b', 413],
  ])('of %i bytes with %s is %i', async (bytes, field, status) => {
    const bench = await bounded()
    const answer = await post(bench, bytes, field)
    expect([answer.status, answer.code]).toEqual([status, status === 413 ? 'BODY_TOO_LARGE' : null])
    // Not a byte of what is refused reaches the target.
    expect(bench.reached).toHaveLength(status === 200 ? 1 : 0)
  })
})

describe('a body that only its end tells', () => {
  test('passes up to the bound', async () => {
    const bench = await bounded()
    expect((await chunked(bench, 4, 6)).status).toBe(200)
    expect(golden(bench.reached[0])).toContain('\nTransfer-Encoding: chunked\n')
  })

  test('is cut off at the byte that is too much: the target never sees a whole one', async () => {
    const bench = await bounded()
    const { status, code } = await chunked(bench, 4, 7)
    expect([status, code]).toEqual([413, 'BODY_TOO_LARGE'])
    expect(bench.reached.join('')).not.toContain('\r\n0\r\n\r\n')
  })

  test('is 411 where a length is required', async () => {
    const bench = await bounded(true)
    const { status, code } = await chunked(bench, 4)
    expect([status, code]).toEqual([411, 'LENGTH_REQUIRED'])
    expect((await bench.get()).status).toBe(200)
  })
})
