import { expect, test } from 'vitest'
import { mayRetry, type FailedAttempt } from '../../../gateway/upstream/retry-policy.ts'

const ATTEMPT: FailedAttempt = {
  method: 'GET',
  code: 'UPSTREAM_UNREACHABLE',
  isSent: false,
  isBodyStarted: false,
  isTryTimeout: false,
  attemptsLeft: 1,
}

test.each([
  ['a refused connection, whatever the method', { method: 'POST' }, true],
  ['a connection that timed out', { code: 'UPSTREAM_TIMEOUT' }, true],
  ['a busy target', { code: 'UPSTREAM_BUSY' }, true],
  ['a GET that was sent and lost', { isSent: true }, true],
  ['a PUT without a body that was sent', { method: 'PUT', isSent: true }, true],
  ['a DELETE that was sent', { method: 'DELETE', isSent: true }, true],
  ['a POST that was sent', { method: 'POST', isSent: true }, false],
  ['a PATCH that was sent', { method: 'PATCH', isSent: true }, false],
  ['a method of somebody’s own', { method: 'PURGE', isSent: true }, false],
  ['an answer that came too late', { code: 'UPSTREAM_TIMEOUT', isSent: true }, false],
  [
    'an attempt that took too long, of a request that has time left',
    { code: 'UPSTREAM_TIMEOUT', isSent: true, isTryTimeout: true },
    true,
  ],
  [
    'a POST whose attempt took too long',
    { code: 'UPSTREAM_TIMEOUT', isSent: true, isTryTimeout: true, method: 'POST' },
    false,
  ],
  ['a malformed answer', { code: 'UPSTREAM_BAD_RESPONSE', isSent: true }, false],
  ['a body that began to flow', { isBodyStarted: true, isSent: true }, false],
  ['a body that began to flow, though not sent', { isBodyStarted: true }, false],
  ['no attempts left', { attemptsLeft: 0 }, false],
  ['a request that no target would get', { code: 'BAD_REQUEST' }, false],
] as const)('%s', (_what, more, expected) => {
  expect(mayRetry({ ...ATTEMPT, ...more })).toBe(expected)
})
