import type { Answer } from '../../control-plane/api/answer.ts'
import type { Life } from './life.ts'
import type { Machine } from './machine.ts'
import type { Network } from './network.ts'
import type { ApiRequest } from './node-api.ts'

/** How an exchange ended. `refused`: the request never reached a process. */
export type Exchange =
  | { readonly type: 'answered'; readonly answer: Answer }
  | { readonly type: 'refused' }
  | { readonly type: 'broken' }

/**
 * One request over HTTP and its answer, or what broke it. Never settles when the way is cut: whoever asked has a
 * timeout. `end` is called at most once.
 */
export function exchange(
  parts: {
    readonly network: Network
    readonly from: string
    readonly to: Machine
    readonly label: string
    readonly request: ApiRequest
  },
  end: (exchange: Exchange) => void,
): void {
  const { network, from, to, label, request } = parts
  const back = (outcome: Exchange) =>
    network.send({
      from: to.name,
      to: from,
      label: `${to.name}>${from} ${label} ${describe(outcome)}`,
      arrive: () => end(outcome),
    })
  network.send({
    from,
    to: to.name,
    label: `${from}>${to.name} ${label}`,
    arrive() {
      const { nodeApi, life } = to
      if (nodeApi === null || life === null) return back({ type: 'refused' })
      if (network.breaks()) return back({ type: 'broken' })
      answerIn(life, () => nodeApi.answer(request), back)
    },
  })
}

function describe(outcome: Exchange): string {
  if (outcome.type !== 'answered') return outcome.type
  const { status, body } = outcome.answer
  const code = /"code":"([A-Z_]+)"/.exec(Buffer.isBuffer(body) ? body.toString() : '')?.[1]
  return code ?? String(status)
}

function answerIn(life: Life, run: () => Promise<Answer>, back: (outcome: Exchange) => void): void {
  // Connections of a process that is gone are reset by its kernel.
  const stop = life.onEnd(() => back({ type: 'broken' }))
  const onAnswer = (answer: Answer): void => {
    stop()
    back({ type: 'answered', answer })
  }
  const onError = (): void => {
    stop()
    back({ type: 'broken' })
  }
  life.enter(() => {
    run().then(onAnswer, onError)
  })
}
