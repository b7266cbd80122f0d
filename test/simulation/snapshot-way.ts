import type { NodeAddress, OutgoingSnapshot, PeerIdentity } from '../../control-plane/ports.ts'
import type { MessageOf } from '../../control-plane/raft/messages.ts'
import { decodeMessage, encodeMessage } from '../../control-plane/transport/message-codec.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type { Life } from './life.ts'
import type { Network } from './network.ts'
import type { Listener } from './virtual-transport.ts'

/** Silence after which a stream is given up. */
const SILENT_MS_MAX = 5_000

/** One end of a stream that was told to end, and why. */
class Inbox {
  readonly #chunks: Uint8Array[] = []
  #isWhole = false
  #failure: Error | null = null
  #wake: () => void = () => {}
  #cancel: () => void = () => {}

  /** The receiver gives a stream up that says nothing. */
  expectMore(life: Life): void {
    this.#cancel()
    this.#cancel = life.in(SILENT_MS_MAX, '', () =>
      this.fail(new RaftwayError('PEER_UNREACHABLE', 'the snapshot’s stream was silent')),
    )
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#wake()
  }

  end(): void {
    this.#cancel()
    this.#isWhole = true
    this.#wake()
  }

  fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) yield chunk
      else if (this.#isWhole) return
      else if (this.#failure !== null) throw this.#failure
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

/**
 * Streams a snapshot from one process to another, chunk by chunk, each acknowledged before the next is read. Rejects
 * when the stream breaks, on either side's account, or when the receiver refuses.
 */
export async function carrySnapshot(parts: {
  readonly machine: string
  readonly life: Life
  readonly network: Network
  readonly self: () => PeerIdentity
  readonly listenerAt: (peer: string) => Listener | null
  readonly machineAt: (peer: string) => string
  readonly to: NodeAddress
  readonly message: MessageOf<'snap'>
  readonly snapshot: OutgoingSnapshot
}): Promise<void> {
  const { machine, life, network, to, message, snapshot } = parts
  const machineTo = parts.machineAt(to.peer)
  const from = parts.self()
  const inbox = new Inbox()
  let receiver: Listener | null = null
  let fail: (error: Error) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  failed.catch(() => {})
  const gone = (why: string) => new RaftwayError('PEER_UNREACHABLE', `the snapshot's stream ${why}`)

  /** Goes there, does `act`, and resolves when word of it is back. */
  const step = (label: string, act: (done: (error?: Error) => void) => void): Promise<void> => {
    const there = new Promise<void>((resolve, reject) => {
      const cancel = life.in(SILENT_MS_MAX, '', () => reject(gone('was silent')))
      network.send({
        from: machine,
        to: machineTo,
        label: `${machine}>${machineTo} ${label}`,
        arrive: () =>
          act((error) =>
            network.send({
              from: machineTo,
              to: machine,
              label: '',
              arrive: () =>
                life.enter(() => {
                  cancel()
                  if (error === undefined) resolve()
                  else reject(error)
                }),
            }),
          ),
      })
    })
    return Promise.race([there, failed])
  }

  let handled: Promise<void> | null = null
  const inReceiver = (done: (error?: Error) => void, act: (target: Listener) => void): void => {
    if (receiver === null || receiver.life.isOver) return done(gone('has no receiver'))
    const target = receiver
    target.life.enter(() => act(target))
  }
  const acknowledge = (done: (error?: Error) => void) => () => done()
  const refuse = (done: (error?: Error) => void) => (error: unknown) =>
    done(error instanceof Error ? error : gone('failed'))
  const breakOff = (why: string): void => {
    const target = receiver
    network.send({
      from: machine,
      to: machineTo,
      label: `${machine}>${machineTo} stream ${why}`,
      arrive: () => target?.life.enter(() => inbox.fail(gone(why))),
    })
  }
  // The receiver learns of a sender that died; a sender's own code is gone with it.
  const stop = life.onEnd(() => breakOff('broke'))
  try {
    const bytes = encodeMessage(message)
    await step(`snapshot ${message.snapshot.index}`, (done) => {
      receiver = parts.listenerAt(to.peer)
      const isExpected = receiver !== null && receiver.self().id === to.id
      if (!isExpected) receiver = null
      inReceiver(done, (target) => {
        const decoded = decodeMessage(bytes)
        if (decoded.type !== 'snap' || target.self().clusterId !== from.clusterId) {
          done(gone('was refused'))
          return
        }
        target.life.onEnd(() => fail(gone('lost its receiver')))
        inbox.expectMore(target.life)
        handled = target.handler.onSnapshot(decoded, inbox.read())
        handled.catch(() => {})
        done()
      })
    })
    for await (const chunk of snapshot.chunks()) {
      if (network.breaks()) throw gone('broke')
      const copy = Uint8Array.from(chunk)
      await step('chunk', (done) =>
        inReceiver(done, ({ life }) => {
          inbox.expectMore(life)
          inbox.push(copy)
          done()
        }),
      )
    }
    await step('end', (done) =>
      inReceiver(done, () => {
        inbox.end()
        const word = handled ?? Promise.reject(gone('never began'))
        word.then(acknowledge(done), refuse(done))
      }),
    )
  } catch (error) {
    breakOff('broke')
    throw error
  } finally {
    stop()
  }
}
