import { LEAST_LEVEL, OWN_RELEASE, type Release } from '../../shared/features.ts'
import { DEFAULT_RETENTION, type Retention } from '../../control-plane/storage/retention.ts'
import type { ApiBounds } from '../../control-plane/api/context.ts'

/** What may happen in a run, and how often: each number is a weight among the others. */
export type Faults = {
  /** Cuts between machines, one way or both. */
  readonly cut: number
  /** The leader alone is cut off. */
  readonly isolateLeader: number
  readonly heal: number
  readonly killProcess: number
  readonly failPower: number
  /** All machines lose power at once. */
  readonly blackout: number
  /** A crash at one step of a write. */
  readonly crashAtStep: number
  readonly stopProcess: number
  /** A process stands still for a while. */
  readonly pause: number
  readonly clock: number
  readonly slowDisk: number
  readonly fullDisk: number
  readonly rot: number
  /** Joins, promotions, removals, new addresses. */
  readonly membership: number
  readonly transfer: number
  /** A machine goes on with the newest program. */
  readonly upgrade: number
  readonly watchers: number
}

/** The kind of weather of a run. */
export type Profile = {
  readonly name: string
  readonly machines: number
  readonly clients: number
  readonly watchers: number
  readonly keys: number
  readonly stormMs: number
  /** Longest time between two faults. Milliseconds. */
  readonly faultMsMax: number
  readonly faults: Partial<Faults>
  readonly lossPercent: number
  readonly repeatPercent: number
  readonly breakPercent: number
  readonly delayMsMax: number
  readonly syncMsMax: number
  readonly retention: Retention
  readonly bounds: Partial<ApiBounds>
  readonly workMs: number
  /** What every machine runs at first. */
  readonly release: Release
}

/** Little is kept, so that logs, history and watches meet the end of what is kept all the time. */
export const SHORT: Retention = {
  logEntries: 24,
  logBytes: 64 * 1024,
  logEntriesForMembers: 200,
  logBytesForMembers: 128 * 1024,
  logCheckMs: 150,
  historyRevisions: 16,
  historyMs: 700,
  historyBytes: 8 * 1024,
  historyCheckMs: 200,
  snapshotChunkBytes: 700,
}

const TIGHT: Partial<ApiBounds> = {
  bookmarkMs: 300,
  watcherQueueBytesMax: 6_000,
  watcherStallMs: 1_500,
  recentChangesBytesMax: 1_600,
  catchUpMs: 1_500,
  replayRevisions: 3,
}

/** A program that knows the least. */
const OLD_RELEASE: Release = { version: '0.0.1', featureLevel: LEAST_LEVEL }

const BASE: Profile = {
  name: 'base',
  machines: 3,
  clients: 6,
  watchers: 3,
  keys: 4,
  stormMs: 5_000,
  faultMsMax: 300,
  faults: {},
  lossPercent: 1,
  repeatPercent: 1,
  breakPercent: 1,
  delayMsMax: 2,
  syncMsMax: 2,
  retention: SHORT,
  bounds: TIGHT,
  workMs: 0,
  release: OWN_RELEASE,
}

/** Every run has one of these, by its seed. */
export const PROFILES: readonly Profile[] = [
  {
    ...BASE,
    name: 'network',
    machines: 5,
    lossPercent: 8,
    repeatPercent: 5,
    breakPercent: 5,
    delayMsMax: 15,
    faults: { cut: 4, isolateLeader: 3, heal: 4, transfer: 1, pause: 1 },
  },
  {
    ...BASE,
    name: 'leader',
    faultMsMax: 500,
    faults: { isolateLeader: 5, heal: 4, pause: 3, transfer: 2, clock: 1 },
  },
  {
    ...BASE,
    name: 'power',
    faults: {
      killProcess: 2,
      failPower: 4,
      crashAtStep: 6,
      blackout: 1,
      slowDisk: 2,
      stopProcess: 1,
    },
  },
  {
    ...BASE,
    name: 'disk',
    syncMsMax: 10,
    faults: {
      slowDisk: 4,
      fullDisk: 3,
      rot: 3,
      failPower: 2,
      crashAtStep: 2,
      killProcess: 1,
      heal: 1,
    },
  },
  {
    ...BASE,
    name: 'membership',
    stormMs: 6_000,
    retention: { ...SHORT, logEntries: 12 },
    release: OLD_RELEASE,
    faults: {
      membership: 8,
      upgrade: 4,
      transfer: 1,
      killProcess: 1,
      cut: 1,
      heal: 2,
      failPower: 1,
    },
  },
  {
    ...BASE,
    name: 'watch',
    clients: 8,
    watchers: 7,
    faultMsMax: 150,
    retention: { ...SHORT, historyRevisions: 8, historyMs: 300, historyCheckMs: 100 },
    faults: { watchers: 10, cut: 2, heal: 2, killProcess: 1, pause: 1, transfer: 1 },
  },
  {
    ...BASE,
    name: 'clocks',
    workMs: 0.2,
    faults: { clock: 6, pause: 2, cut: 1, heal: 1, isolateLeader: 1 },
  },
  {
    ...BASE,
    name: 'everything',
    machines: 5,
    stormMs: 6_000,
    lossPercent: 3,
    repeatPercent: 3,
    breakPercent: 3,
    delayMsMax: 6,
    syncMsMax: 6,
    release: OLD_RELEASE,
    faultMsMax: 200,
    faults: {
      cut: 3,
      isolateLeader: 2,
      heal: 4,
      killProcess: 2,
      failPower: 2,
      blackout: 1,
      crashAtStep: 3,
      stopProcess: 1,
      pause: 2,
      clock: 2,
      slowDisk: 1,
      fullDisk: 1,
      rot: 1,
      membership: 3,
      upgrade: 2,
      transfer: 2,
      watchers: 2,
    },
  },
  {
    ...BASE,
    name: 'plenty kept',
    retention: DEFAULT_RETENTION,
    bounds: { ...TIGHT, recentChangesBytesMax: 1_000_000 },
    faults: { cut: 2, heal: 2, killProcess: 2, failPower: 2, crashAtStep: 2, isolateLeader: 1 },
  },
  {
    ...BASE,
    name: 'alone',
    machines: 1,
    watchers: 2,
    faults: { killProcess: 2, failPower: 4, crashAtStep: 6, pause: 1, slowDisk: 1, stopProcess: 1 },
  },
]

/** The profile of a seed. */
export function profileOf(seed: number): Profile {
  const profile = PROFILES[seed % PROFILES.length]
  if (profile === undefined) throw new RangeError(`${seed} has no profile`)
  return profile
}
