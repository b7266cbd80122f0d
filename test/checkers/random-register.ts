// Histories of a register that is certainly linearizable: calls of several processes take effect one at a time, at some
// moment between their beginning and their end. Of some the end is never heard, and some of those take effect later.
import type { Random } from '../../shared/random.ts'
import { HistoryRecorder, type Ending, type Operation } from './history.ts'

type Entry = { readonly value: unknown; readonly revision: number }

type Running = {
  readonly op: Operation['op']
  readonly key: string
  readonly value: unknown
  readonly ifRevision: number | undefined
  readonly ending: Ending
  /** Takes effect, and gives the way to tell. */
  effect: ((entries: Map<string, Entry>) => () => void) | null
  tell: (() => void) | null
}

/** Plays `calls` calls; one in `unknownIn` ends without an answer. */
export function playRegister(options: {
  readonly random: Random
  readonly keys: number
  readonly processes: number
  readonly calls: number
  readonly unknownIn: number
}): Operation[] {
  const { random, keys, processes, calls, unknownIn } = options
  let time = 0
  const recorder = new HistoryRecorder(() => time++)
  const entries = new Map<string, Entry>()
  const running = new Map<number, Running>()
  const lost: Running[] = []
  let revision = 0
  let begun = 0
  const nextRevision = () => (revision += 1 + random.below(2))
  while (begun < calls || running.size > 0) {
    if (lost.length > 0 && random.below(10) === 0) {
      const [late] = lost.splice(random.below(lost.length), 1)
      late?.effect?.(entries)
    }
    const process = random.below(processes)
    const call = running.get(process)
    if (call === undefined) {
      if (begun === calls) continue
      running.set(process, begin(begun++, process))
    } else if (call.tell === null && random.below(unknownIn) === 0) {
      call.ending.info()
      running.delete(process)
      if (call.op !== 'get') lost.push(call)
    } else if (call.tell === null) {
      call.tell = call.effect?.(entries) ?? null
    } else {
      call.tell()
      running.delete(process)
    }
  }
  return recorder.history

  function begin(number: number, process: number): Running {
    const op = (['put', 'cas', 'delete', 'get', 'get', 'put'] as const)[random.below(6)] ?? 'get'
    const key = `k${random.below(keys)}`
    const known = entries.get(key)?.revision ?? 0
    const guess = random.below(3) === 0 ? Math.max(0, known - 1) : known
    const ifRevision =
      op === 'cas' || (op === 'delete' && random.below(2) === 0) ? guess : undefined
    const value = op === 'put' || op === 'cas' ? `v${number}` : null
    const guard = ifRevision === undefined ? {} : { ifRevision }
    const ending = recorder.invoke({ process, op, key, value, ...guard })
    const call: Running = { op, key, value, ifRevision, ending, effect: null, tell: null }
    call.effect = (now) => takeEffect(call, now, nextRevision)
    return call
  }
}

function takeEffect(
  { op, key, value, ifRevision, ending }: Running,
  entries: Map<string, Entry>,
  nextRevision: () => number,
): () => void {
  const entry = entries.get(key)
  if (op === 'get') {
    return () => ending.ok({ value: entry?.value ?? null, revision: entry?.revision ?? null })
  }
  const standing = entry?.revision ?? 0
  const isRefused = ifRevision !== undefined && ifRevision !== standing
  if (isRefused || (op === 'delete' && entry === undefined)) return () => ending.fail(standing)
  const revision = nextRevision()
  if (op === 'delete') entries.delete(key)
  else entries.set(key, { value, revision })
  return () => ending.ok({ revision })
}
