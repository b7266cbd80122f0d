import { encodeFrame, encodeFrameHead, FRAME_HEAD_BYTES, sealFrame } from '../../shared/framing.ts'
import type { OutgoingSnapshot } from '../ports.ts'
import type { MessageOf } from '../raft/messages.ts'
import { malformed } from './bytes.ts'
import { unreachable, type Connection, type ConnectionOwner } from './connection.ts'
import type { Adopt } from './greeting.ts'
import { encodeMessage } from './message-codec.ts'
import { decodeError, FRAME, toRaftwayError } from './wire.ts'

const NOTHING = new Uint8Array(0)

/**
 * Sends one snapshot over a connection of its own; resolves when the other side has acknowledged it as whole and
 * staged. Takes from the snapshot only as fast as the network takes from here. Rejects when the connection breaks,
 * when the other side refuses, or with what reading the snapshot threw. The snapshot stays the caller's to close.
 */
export async function streamSnapshot(options: {
  readonly message: MessageOf<'snap'>
  readonly snapshot: OutgoingSnapshot
  /** Opens a connection for a snapshot; as `dial`. */
  readonly dial: (adopt: Adopt) => Promise<void>
}): Promise<void> {
  const { message, snapshot, dial } = options
  const opened = Promise.withResolvers<Connection>()
  const outcome = Promise.withResolvers<void>()
  // It may be rejected while chunks are still written, which then fail for the same reason.
  outcome.promise.catch(() => {})
  await dial((connection) => {
    opened.resolve(connection)
    return awaitOutcome(connection, outcome)
  })
  const connection = await opened.promise
  try {
    await writeSnapshot(connection, message, snapshot)
    await outcome.promise
  } finally {
    connection.close(unreachable(connection.remote, 'the snapshot is over'))
  }
}

async function writeSnapshot(
  connection: Connection,
  message: MessageOf<'snap'>,
  snapshot: OutgoingSnapshot,
): Promise<void> {
  const first = encodeMessage(message, FRAME_HEAD_BYTES)
  sealFrame(FRAME.message, first)
  await connection.sendAndDrain(first, NOTHING)
  for await (const chunk of snapshot.chunks()) {
    await connection.sendAndDrain(encodeFrameHead(FRAME.chunk, chunk), chunk)
  }
  await connection.sendAndDrain(encodeFrame(FRAME.end, NOTHING), NOTHING)
}

function awaitOutcome(
  connection: Connection,
  outcome: PromiseWithResolvers<void>,
): ConnectionOwner {
  return {
    onFrame({ type, payload }) {
      if (type === FRAME.done) return outcome.resolve()
      if (type !== FRAME.error) throw malformed(`frame ${type} in answer to a snapshot`)
      connection.close(toRaftwayError(decodeError(payload)))
    },
    onClose: (reason) => outcome.reject(reason),
  }
}
