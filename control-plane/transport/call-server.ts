import { AssertionError } from '../../shared/assert.ts'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { PEER_CALLS_MAX } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { PeerHandler, PeerIdentity } from '../ports.ts'
import { malformed } from './bytes.ts'
import type { Connection, ConnectionOwner } from './connection.ts'
import { decodeCall, encodeError, encodeJson, FRAME } from './wire.ts'

/** Owns a connection over which `from` calls: each call is answered when `onCall` is done with it, in any order. */
export function answerCalls(options: {
  readonly connection: Connection
  readonly from: PeerIdentity
  readonly self: () => PeerIdentity
  readonly onCall: PeerHandler['onCall']
  readonly onHeard: () => void
  readonly logger: Logger
}): ConnectionOwner {
  const { connection, onHeard } = options
  let running = 0
  return {
    onHeard,
    onFrame(frame) {
      if (frame.type !== FRAME.call) throw malformed(`frame ${frame.type} among calls`)
      const call = decodeCall(frame.payload)
      if (running >= PEER_CALLS_MAX) {
        const error = new RaftwayError('OVERLOADED', 'too many calls wait for answers')
        return connection.send(encodeError(FRAME.error, call.id, error))
      }
      running++
      // It never rejects but on a broken invariant, which ends the process.
      void answer(options, call).finally(() => {
        running--
      })
    },
    onClose() {},
  }
}

async function answer(
  { connection, from, self, onCall, logger }: Parameters<typeof answerCalls>[0],
  call: ReturnType<typeof decodeCall>,
): Promise<void> {
  try {
    const body = await onCall(from, { type: call.type, body: call.body })
    const { clusterId } = self()
    connection.send(encodeJson(FRAME.answer, { id: call.id, clusterId, body: body ?? null }))
  } catch (error) {
    if (error instanceof AssertionError) throw error
    if (!isRaftwayError(error)) {
      logger.error({ err: error, from: from.name, call: call.type }, 'a call from a peer failed')
    }
    connection.send(encodeError(FRAME.error, call.id, error))
  }
}
