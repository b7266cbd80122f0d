// Method: the clock is the test's, so that nobody waits for ten seconds; only the ticks of the deadlines are real.
import { expect, test } from 'vitest'
import { Deadlines } from '../../../gateway/deadlines.ts'
import type { UpstreamFailure } from '../../../gateway/upstream/upstream-connection.ts'
import { WaitQueue } from '../../../gateway/upstream/wait-queue.ts'
import { CALL_WAIT_MS_MAX } from '../../../shared/limits.ts'
import { until } from '../support/until.ts'

class Call {
  waitingSince = 0
  failure: UpstreamFailure | null = null

  onError(failure: UpstreamFailure): void {
    this.failure = failure
  }
}

function queue(connectMs: number): {
  readonly calls: WaitQueue<Call>
  readonly clock: { nowMs: number }
  readonly told: { late: number }
} {
  const clock = { nowMs: 1_000 }
  const told = { late: 0 }
  const deadlines = new Deadlines(() => clock.nowMs)
  const calls = new WaitQueue<Call>({ deadlines, connectMs, onLate: () => (told.late += 1) })
  return { calls, clock, told }
}

test('calls are taken in their order; one that had its turn goes before all, and one that was given up is gone', () => {
  const { calls } = queue(1)
  const [a, b, c] = [new Call(), new Call(), new Call()]
  calls.add(a)
  calls.add(b)
  calls.addFirst(c)
  calls.forget(a)
  expect(calls.length).toBe(2)
  expect([calls.take(), calls.take(), calls.take()]).toEqual([c, b, undefined])
  calls.close()
})

test('each waits for so long and no longer, whoever came before it', async () => {
  const { calls, clock, told } = queue(1)
  const [first, second] = [new Call(), new Call()]
  calls.add(first)
  clock.nowMs += 500
  calls.add(second)
  clock.nowMs += CALL_WAIT_MS_MAX - 400
  await until('the first', () => first.failure !== null)
  expect(first.failure?.code).toBe('UPSTREAM_BUSY')
  expect(second.failure).toBeNull()
  expect(told.late).toBe(1)
  clock.nowMs += 500
  await until('the second', () => second.failure !== null)
  expect(calls.length).toBe(0)
  calls.close()
})

test('a connection that may take long to be made is waited for longer', async () => {
  const { calls, clock } = queue(CALL_WAIT_MS_MAX)
  const call = new Call()
  calls.add(call)
  clock.nowMs += 2 * CALL_WAIT_MS_MAX - 10
  const other = new Call()
  calls.add(other)
  clock.nowMs += 50
  await until('its end', () => call.failure !== null)
  expect(other.failure).toBeNull()
  calls.close()
})
