import type { Random } from '../../shared/random.ts'
import type { Timeline } from './timeline.ts'

/** What the network does to messages now. Changed by the weather. */
export type NetworkWeather = {
  /** Messages between nodes that are lost, of a hundred. */
  lossPercent: number
  /** Messages between nodes that come twice, of a hundred. */
  repeatPercent: number
  /** Longest usual way of a message. Milliseconds. */
  delayMsMax: number
  /** Connections that break within one exchange, of a hundred. */
  breakPercent: number
}

/** What becomes of messages between machines that are cut off from each other. */
export type CutKind = 'drop' | 'hold'

/** Something on its way. */
type Parcel = {
  readonly from: string
  readonly to: string
  readonly label: string
  readonly arrive: () => void
}

/** Held parcels are lost after this long: the connection is given up. As PEER_SILENT_MS_MAX. */
const HELD_MS_MAX = 5_000

/**
 * The wires between machines, by name. One link keeps its order and may lose or repeat; the ways of different pairs,
 * and of calls, know no order. A cut is one way: a pair is cut in both directions by two cuts.
 */
export class Network {
  readonly weather: NetworkWeather = {
    lossPercent: 0,
    repeatPercent: 0,
    delayMsMax: 2,
    breakPercent: 0,
  }
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #cuts = new Map<string, CutKind>()
  readonly #held = new Map<string, { readonly parcel: Parcel; readonly atMs: number }[]>()
  /** When the last message of each link arrives. */
  readonly #arrivals = new Map<string, number>()

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline
    this.#random = random
  }

  get cuts(): number {
    return this.#cuts.size
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(pair(from, to))
  }

  cut(from: string, to: string, kind: CutKind): void {
    this.#cuts.set(pair(from, to), kind)
  }

  /** Every cut is mended; what was held and is not too old comes now. */
  heal(): void {
    this.#cuts.clear()
    const held = [...this.#held.values()].flat()
    this.#held.clear()
    for (const { parcel, atMs } of held) {
      if (this.#timeline.nowMs - atMs > HELD_MS_MAX) continue
      this.#carry(parcel, true)
    }
  }

  /** A way's time now: usually short, sometimes ten times as long. */
  delayMs(): number {
    const max = this.weather.delayMsMax * (this.#random.below(20) === 0 ? 10 : 1)
    return 0.05 + this.#random.below(Math.round(max * 1_000)) / 1_000
  }

  /** A message on the link from one machine to another. */
  post(parcel: Parcel): void {
    const { lossPercent, repeatPercent } = this.weather
    if (this.#random.below(100) < lossPercent) return
    this.#carry(parcel, true)
    if (this.#random.below(100) < repeatPercent) this.#carry(parcel, true)
  }

  /** A part of an exchange: it arrives, late or never, beside whatever else is on its way. */
  send(parcel: Parcel): void {
    this.#carry(parcel, false)
  }

  /** Whether the connection of an exchange breaks now. */
  breaks(): boolean {
    return this.weather.breakPercent > 0 && this.#random.below(100) < this.weather.breakPercent
  }

  #carry(parcel: Parcel, isOrdered: boolean): void {
    const { from, to } = parcel
    const kind = this.#cuts.get(pair(from, to))
    if (kind === 'drop') return
    if (kind === 'hold') {
      const held = this.#held.get(pair(from, to)) ?? []
      held.push({ parcel, atMs: this.#timeline.nowMs })
      this.#held.set(pair(from, to), held)
      return
    }
    let delayMs = this.delayMs()
    if (isOrdered) {
      const { nowMs } = this.#timeline
      const atMs = Math.max(nowMs + delayMs, this.#arrivals.get(pair(from, to)) ?? 0)
      this.#arrivals.set(pair(from, to), atMs)
      delayMs = atMs - nowMs
    }
    this.#timeline.after(delayMs, parcel.label, parcel.arrive)
  }
}

function pair(from: string, to: string): string {
  return `${from}>${to}`
}
