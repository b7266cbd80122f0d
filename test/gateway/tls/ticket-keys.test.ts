import { afterEach, expect, test } from 'vitest'
import { TicketKeyMaker, TicketKeys } from '../../../gateway/tls/ticket-keys.ts'
import { TICKET_KEY_MS } from '../../../shared/limits.ts'
import { until } from '../support/until.ts'

const makers: TicketKeyMaker[] = []

afterEach(() => {
  for (const maker of makers.splice(0)) maker.stop()
})

function make(periodMs = TICKET_KEY_MS): TicketKeyMaker {
  const maker = new TicketKeyMaker(periodMs)
  makers.push(maker)
  return maker
}

function ticketOf(key: Buffer): Buffer {
  return Buffer.concat([key.subarray(0, 16), Buffer.from('what only the key can read')])
}

test('all who share the memory have the same key, and the same object until it changes', () => {
  const maker = make()
  const [one, other] = [new TicketKeys(maker.memory), new TicketKeys(maker.memory)]
  const key = one.newest
  expect(key.length).toBe(48)
  expect(one.newest).toBe(key)
  expect(other.newest.equals(key)).toBe(true)
  maker.rotate()
  expect(one.newest.equals(key)).toBe(false)
  expect(other.newest.equals(one.newest)).toBe(true)
})

test('a ticket finds its key for one change, and then no more', () => {
  const maker = make()
  const keys = new TicketKeys(maker.memory)
  const first = keys.newest
  const ticket = ticketOf(first)
  expect(keys.keyFor(ticket)).toBe(first)
  maker.rotate()
  expect(keys.keyFor(ticket)).toBe(first)
  expect(keys.keyFor(null)).toBe(keys.newest)
  expect(keys.isKnown(first)).toBe(true)
  maker.rotate()
  expect(keys.keyFor(ticket)).toBe(keys.newest)
  expect(keys.isKnown(first)).toBe(false)
})

test('no key that could be guessed is ever good, not before the first change either', () => {
  const keys = new TicketKeys(make().memory)
  expect(keys.keyFor(Buffer.alloc(100))).toBe(keys.newest)
  expect(keys.keyFor(Buffer.alloc(3))).toBe(keys.newest)
  expect(keys.newest.equals(Buffer.alloc(48))).toBe(false)
})

test('a new key comes by itself', async () => {
  const keys = new TicketKeys(make(5).memory)
  const first = keys.newest
  await until('two more', () => !keys.isKnown(first))
  expect(keys.newest.equals(first)).toBe(false)
})
