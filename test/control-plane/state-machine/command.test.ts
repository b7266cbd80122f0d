import { expect, test } from 'vitest'
import { decodeCommand, encodeCommand } from '../../../control-plane/state-machine/command.ts'
import { ENTRY_BYTES_MAX } from '../../../shared/limits.ts'
import { api, del, put, write } from './samples.ts'

const COMMAND = write([put(api('pets', null, { team: 'käse 🧀' }), 3), del('Upstream', 'old')], {
  message: 'why',
  ifConfigRevision: 7,
})

test('a command is the same after the log, and so are the bytes', () => {
  const data = encodeCommand(COMMAND)
  expect(data[0]).toBe(1)
  expect(decodeCommand(data)).toEqual(COMMAND)
  expect(encodeCommand(decodeCommand(data))).toEqual(data)
})

test('a member command is the same after the log', () => {
  const member = {
    type: 'member',
    address: { id: 7, name: 'n', api: 'http://a', peer: 'p' },
  } as const
  expect(decodeCommand(encodeCommand(member))).toEqual(member)
})

test('a key named __proto__ survives', () => {
  const labels = JSON.parse('{"__proto__":"x"}') as Record<string, string>
  const definition = { ...api('a'), labels }
  const decoded = decodeCommand(encodeCommand(write([put(definition)])))
  expect(JSON.stringify(decoded)).toContain('"labels":{"__proto__":"x"}')
})

test.each([
  ['no bytes', new Uint8Array(0), /no bytes/],
  ['an earlier format than the first', Uint8Array.of(0, 0x7b, 0x7d), /is none/],
  ['broken JSON', encodeCommand(COMMAND).slice(0, -1), /cannot be read/],
  ['broken UTF-8', Uint8Array.of(1, 0x22, 0xff, 0x22), /cannot be read/],
  ['no object', Uint8Array.of(1, 0x31), /is none/],
  ['a write without operations', Uint8Array.from(Buffer.from('\u0001{"type":"write"}')), /is none/],
])('%s is never skipped', (_, data, message) => {
  expect(() => decodeCommand(data)).toThrow(
    expect.objectContaining({ code: 'STORAGE_CORRUPT', message: expect.stringMatching(message) }),
  )
})

test.each([
  ['a later format', Uint8Array.of(2, 0x7b, 0x7d), /format 2.*upgrade this node/],
  ['a later type', encodeCommand({ ...COMMAND, type: 'later' } as never), /type later.*upgrade/],
  [
    'a later kind of definition',
    encodeCommand(write([put({ ...api('a'), kind: 'Site' } as never)])),
    /kind Site.*upgrade this node/,
  ],
])('%s is told from damage', (_, data, message) => {
  expect(() => decodeCommand(data)).toThrow(
    expect.objectContaining({ code: 'VERSION_TOO_OLD', message: expect.stringMatching(message) }),
  )
})

test('a command that no entry can hold is refused before it is proposed', () => {
  const large = write([], { message: 'x'.repeat(ENTRY_BYTES_MAX) })
  expect(() => encodeCommand(large)).toThrow(expect.objectContaining({ code: 'BODY_TOO_LARGE' }))
})
