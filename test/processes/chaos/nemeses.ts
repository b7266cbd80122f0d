import type { Random } from '../../../shared/random.ts'
import { call, until } from '../processes.ts'
import { cutTail, emptyDirectory, flipBit, hasWrittenLately, tearTail } from './damage.ts'
import type { Fault } from './network.ts'
import type { ChaosNode, Nodes } from './nodes.ts'
import type { SmallDisk } from './small-disk.ts'

/** What a nemesis works with. */
export type Field = {
  readonly nodes: Nodes
  readonly random: Random
  /** Waits; cut short when the run is over. */
  pause(ms: number): Promise<void>
  /** Something that may have stopped writes happens now. */
  mark(name: string): void
}

/** Does its harm and leaves: what it broke is whole again when it resolves, or on its way there. */
export type Nemesis = (field: Field) => Promise<void>

const READY_MS_MAX = 60_000

/** Every nemesis that needs nothing of the machine, by name. */
export const NEMESES = {
  'kill-leader': async (field) => {
    const leader = await field.nodes.leader()
    field.mark('kill-leader')
    await killAndRestart(field, [leader])
  },
  'kill-follower': async (field) => killAndRestart(field, [await follower(field)]),
  'kill-leader-and-follower': async (field) => {
    await killAndRestart(field, [await field.nodes.leader(), await follower(field)])
  },
  'kill-all': async (field) => killAndRestart(field, field.nodes.all),

  'stop-leader': async (field) => stopAndContinue(field, [await field.nodes.leader()]),
  'stop-follower': async (field) => stopAndContinue(field, [await follower(field)]),
  'stop-majority': async (field) => stopAndContinue(field, pick(field, majorityOf(field))),

  'isolate-leader': async (field) => {
    const leader = await field.nodes.leader()
    await withParts(field, [leader.name], { type: 'hold' })
  },
  'cut-leader-off': async (field) => {
    const leader = await field.nodes.leader()
    await withParts(field, [leader.name], { type: 'cut' })
  },
  'lose-bytes-of-follower': async (field) => {
    await withParts(field, [(await follower(field)).name], { type: 'drop' })
  },
  split: async (field) => {
    const minority = pick(field, field.nodes.all.length - majorityOf(field)).map(({ name }) => name)
    await withParts(field, minority, oneOf(field, BREAKS))
  },
  /** One node sees everybody; the others see only one another's half, or nobody. */
  bridge: async ({ nodes, random, ...field }) => {
    const names = shuffled(nodes.names, random)
    const half = Math.floor((names.length - 1) / 2)
    const fault = oneOf({ random }, BREAKS)
    nodes.network.part(names.slice(1, 1 + half), names.slice(1 + half), fault)
    await field.pause(between(random, 800, 3_000))
    nodes.network.heal()
  },
  /** The leader is heard and hears nobody, or the other way round. */
  'one-way': async ({ nodes, random, ...field }) => {
    const { name } = await nodes.leader()
    const fault = oneOf({ random }, BREAKS)
    const isDeaf = random.below(2) === 0
    for (const other of nodes.names) {
      if (other === name) continue
      nodes.network.set(isDeaf ? other : name, isDeaf ? name : other, fault)
    }
    await field.pause(between(random, 800, 3_000))
    nodes.network.heal()
  },
  /** Every direction of every pair is broken or not, by chance, and again. */
  tangle: async (field) => {
    for (let round = between(field.random, 2, 5); round > 0; round--) {
      tangle(field)
      await field.pause(between(field.random, 200, 900))
    }
    field.nodes.network.heal()
  },
  /** The same while nodes are stopped, killed and started again. */
  storm: async (field) => {
    const { nodes, random } = field
    for (let round = between(random, 4, 8); round > 0; round--) {
      tangle(field)
      for (const { process } of nodes.all) {
        const dice = random.below(8)
        if (dice === 0) await process.kill('SIGKILL')
        if (dice === 1) process.signal('SIGSTOP')
        if (dice >= 6) process.signal('SIGCONT')
        if (dice >= 4 && !process.isRunning) process.start()
      }
      await field.pause(between(random, 200, 1_500))
    }
    await nodes.heal()
    await Promise.all(nodes.all.map(({ process }) => process.ready(READY_MS_MAX)))
  },
  slow: async ({ nodes, random, ...field }) => {
    const fault: Fault = {
      type: 'slow',
      delayMs: between(random, 5, 120),
      jitterMs: between(random, 0, 120),
      bytesPerSecond: between(random, 20_000, 2_000_000),
    }
    const { name } = oneOf({ random }, nodes.all)
    nodes.network.part(
      [name],
      nodes.names.filter((other) => other !== name),
      fault,
    )
    await field.pause(between(random, 1_000, 3_000))
    nodes.network.heal()
  },
  'hand-over': async ({ nodes, random, ...field }) => {
    for (let round = between(random, 1, 4); round > 0; round--) {
      const { process } = oneOf({ random }, nodes.all)
      // It may be refused: there may be no leader, or nobody to take over.
      await fetch(`${process.url}/v1/cluster/leader`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
        signal: AbortSignal.timeout(3_000),
      }).catch(() => null)
      await field.pause(between(random, 50, 400))
    }
  },
  /** The leader falls silent, another takes over; then that one is killed while the first comes back with its past. */
  'depose-and-kill': async ({ nodes, random, ...field }) => {
    const old = await nodes.leader()
    nodes.network.part(
      [old.name],
      nodes.names.filter((name) => name !== old.name),
      { type: 'hold' },
    )
    await field.pause(between(random, 900, 2_000))
    const next = await nodes.leader()
    await next.process.kill('SIGKILL')
    nodes.network.heal()
    await field.pause(between(random, 0, 800))
    await restart([next])
  },
} as const satisfies Readonly<Record<string, Nemesis>>

/** Nemeses that turn the wall clocks of nodes, which take libfaketime. */
export const CLOCK_NEMESES = {
  'turn-clocks': async ({ nodes, random, ...field }) => {
    for (let round = between(random, 1, 4); round > 0; round--) {
      const turned = nodes.all.filter(() => random.below(2) === 0)
      for (const { clock } of turned) await clock?.set(random.below(4 * 3_600) - 2 * 3_600)
      await field.pause(between(random, 600, 1_600))
    }
    for (const { clock } of nodes.all) await clock?.set(0)
  },
} as const satisfies Readonly<Record<string, Nemesis>>

/** Nemeses that take their time, each for a run of its own. */
export const LONG_NEMESES = {
  /** Stops and starts every node in turn, as an upgrade does; the next only when the last is ready. */
  roll: async (field) => {
    for (const node of field.nodes.all) {
      const isLeader = node === (await field.nodes.leader())
      field.mark(isLeader ? 'roll of the leader' : 'roll of a follower')
      const code = await node.process.kill('SIGTERM')
      if (code !== 0) throw new Error(`${node.name} ended with ${code} at SIGTERM`)
      await restart([node])
      await field.pause(300)
    }
  },
  /** A damaged member is replaced by itself. */
  'flip-bit': async (field) => {
    const victim = await follower(field)
    await somethingToDamage(victim)
    await victim.process.kill('SIGKILL')
    await flipBit(victim.process.dataDir, field.random)
    victim.process.output = ''
    victim.process.start()
    await votes(field, victim)
    if (!victim.process.output.includes('DAMAGED')) {
      throw new Error(`${victim.name} did not notice the damage:\n${victim.process.output}`)
    }
  },
  /** Unless it shall not: then it ends, and is taken out by hand. */
  'flip-bit-by-hand': async (field) => {
    const victim = await follower(field)
    await somethingToDamage(victim)
    await victim.process.kill('SIGKILL')
    await flipBit(victim.process.dataDir, field.random)
    victim.process.output = ''
    victim.process.start(['--heal-corrupt', 'off'])
    await until(`${victim.name} ends`, () => !victim.process.isRunning || null, READY_MS_MAX)
    assertRefused(victim)
    await takeOut(field, victim)
    await emptyDirectory(victim.process.dataDir)
    victim.process.start()
    await votes(field, victim)
  },
  /** What was cut off was acknowledged, and the node cannot know that by itself; the others can. */
  'lose-tail': async (field) => {
    const { nodes, random } = field
    const victim = await follower(field)
    await somethingToDamage(victim)
    await victim.process.kill('SIGKILL')
    await othersHoldEverything(field, victim)
    await cutTail(victim.process.dataDir, (1 + random.below(95)) / 100)
    const held = await nodes.view(await nodes.leader())
    victim.process.output = ''
    victim.process.start()
    const isBack = await until(
      `${victim.name} catches up or ends`,
      async () => {
        if (!victim.process.isRunning) return { ok: false }
        const view = await nodes.view(victim)
        return view !== null && view.revision >= (held?.revision ?? 0) ? { ok: true } : null
      },
      READY_MS_MAX,
    )
    if (isBack.ok) return
    assertRefused(victim)
    victim.process.start()
    await votes(field, victim)
  },
  /** A member with nothing on its disk is somebody else, who may have the name once the member is taken out. */
  wipe: async (field) => {
    const victim = await follower(field)
    await victim.process.kill('SIGKILL')
    await emptyDirectory(victim.process.dataDir)
    victim.process.output = ''
    victim.process.start()
    await until(`${victim.name} is refused`, () => {
      if (!victim.process.isRunning) throw new Error(`it ended:\n${victim.process.output}`)
      return victim.process.output.includes('MEMBER_EXISTS') || null
    })
    await takeOut(field, victim)
    await votes(field, victim)
  },
  /** A write that a crash cut short was never acknowledged: the node comes back by itself. */
  'tear-log': async (field) => {
    const victim = await follower(field)
    await victim.process.kill('SIGKILL')
    await tearTail(victim.process.dataDir, field.random)
    await restart([victim])
  },
} as const satisfies Readonly<Record<string, Nemesis>>

/** Waits until the victim has something in its log that can be damaged; clients write all the while. */
async function somethingToDamage({ name, process }: ChaosNode): Promise<void> {
  await until(
    `${name} writes`,
    async () => ((await hasWrittenLately(process.dataDir)) ? true : null),
    READY_MS_MAX,
  )
}

/** Nemeses for a cluster whose node `name` keeps its data on `disk`. */
export function diskNemeses(disk: SmallDisk, name: string): Readonly<Record<string, Nemesis>> {
  return {
    /** The disk of the leader is full for some seconds: it hands over, serves reads, and comes back by itself. */
    'fill-disk': async ({ nodes, random, ...field }) => {
      const { process } = nodes.get(name)
      await until(
        `${name} leads`,
        async () => {
          const leader = await nodes.leader()
          if (leader.name === name) return true
          await call(`${leader.process.url}/v1/cluster/leader`, 'POST', { name })
          return null
        },
        READY_MS_MAX,
      )
      field.mark('full disk')
      await disk.fill(random.below(64) * 1_024)
      await until(
        `another node leads than ${name}`,
        async () => (await nodes.leader()).name !== name || null,
        READY_MS_MAX,
      )
      await field.pause(between(random, 1_000, 3_000))
      const read = await call(`${process.url}/v1/config?consistency=stale`)
      await disk.empty()
      if (read.status !== 200 || !process.isRunning) {
        throw new Error(
          `${name} did not live through a full disk:\n${process.output.slice(-2_000)}`,
        )
      }
      await process.ready(READY_MS_MAX)
    },
  }
}

const BREAKS: readonly Fault[] = [{ type: 'hold' }, { type: 'cut' }, { type: 'drop' }]

function tangle({ nodes, random }: Field): void {
  for (const from of nodes.names) {
    for (const to of nodes.names) {
      const isBroken = from !== to && random.below(3) === 0
      nodes.network.set(from, to, isBroken ? oneOf({ random }, BREAKS) : null)
    }
  }
}

async function killAndRestart(field: Field, victims: readonly ChaosNode[]): Promise<void> {
  await Promise.all(victims.map(({ process }) => process.kill('SIGKILL')))
  await field.pause(between(field.random, 0, 2_000))
  await restart(victims)
}

async function restart(victims: readonly ChaosNode[]): Promise<void> {
  for (const { process } of victims) process.start()
  await Promise.all(victims.map(({ process }) => process.ready(READY_MS_MAX)))
}

/** So that what `victim` acknowledged and loses is on a majority without it. */
async function othersHoldEverything({ nodes }: Field, victim: ChaosNode): Promise<void> {
  const last = await nodes.view(await nodes.leader())
  await until(
    'the others hold everything',
    async () => {
      const others = nodes.all.filter((node) => node !== victim)
      const views = await Promise.all(others.map((node) => nodes.view(node)))
      return views.every((view) => view !== null && view.revision >= (last?.revision ?? 0)) || null
    },
    READY_MS_MAX,
  )
}

function assertRefused({ name, process }: ChaosNode): void {
  if (process.exitCode === 1 && process.output.includes('STORAGE_CORRUPT')) return
  throw new Error(`${name} did not say that its data is damaged:\n${process.output.slice(-2_000)}`)
}

async function takeOut({ nodes }: Field, { name }: ChaosNode): Promise<void> {
  await until(
    `${name} is taken out`,
    async () => {
      const { process: leader } = await nodes.leader()
      const answer = await call(`${leader.url}/v1/cluster/members/${name}`, 'DELETE')
      return answer.status === 200 || answer.status === 404 || null
    },
    READY_MS_MAX,
  )
}

async function votes({ nodes }: Field, { name, process }: ChaosNode): Promise<void> {
  await process.ready(READY_MS_MAX)
  await until(
    `${name} votes`,
    async () => {
      const view = await nodes.view(await nodes.leader())
      return view?.members.some((one) => one.name === name && one.role === 'voter') || null
    },
    READY_MS_MAX,
  )
}

async function stopAndContinue(field: Field, victims: readonly ChaosNode[]): Promise<void> {
  for (const { process } of victims) process.signal('SIGSTOP')
  await field.pause(between(field.random, 200, 3_000))
  for (const { process } of victims) process.signal('SIGCONT')
}

async function withParts(
  { nodes, random, ...field }: Field,
  side: readonly string[],
  fault: Fault,
): Promise<void> {
  nodes.network.part(
    side,
    nodes.names.filter((name) => !side.includes(name)),
    fault,
  )
  await field.pause(between(random, 800, 3_500))
  nodes.network.heal()
}

async function follower({ nodes, random }: Field): Promise<ChaosNode> {
  const leader = await nodes.leader()
  return oneOf(
    { random },
    nodes.all.filter((node) => node !== leader),
  )
}

function majorityOf({ nodes }: Field): number {
  return Math.floor(nodes.all.length / 2) + 1
}

function pick({ nodes, random }: Field, count: number): readonly ChaosNode[] {
  return shuffled(nodes.all, random).slice(0, count)
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  return items
    .map((item) => ({ item, place: random.next() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item)
}

function oneOf<T>({ random }: { readonly random: Random }, items: readonly T[]): T {
  const item = items[random.below(items.length)]
  if (item === undefined) throw new Error('nothing to choose from')
  return item
}

function between(random: Random, least: number, most: number): number {
  return least + random.below(most - least + 1)
}
