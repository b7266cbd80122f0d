import { OWN_RELEASE } from '../../shared/features.ts'
import type { Faults, Profile } from './profiles.ts'
import type { Machine } from './machine.ts'
import { DISK_STEPS } from './virtual-disk.ts'
import type { WatchClient } from './watch-client.ts'
import type { World } from './world.ts'

const HOUR_MS = 3_600_000
/** How often the operator looks after members that are lost. */
const OPERATOR_MS = 250
const MACHINES_MAX = 6

/** Makes things go wrong, by chance and by profile, and puts everything right at the end. */
export class Weather {
  readonly #world: World
  readonly #profile: Profile
  readonly #watchers: readonly WatchClient[]
  readonly #weights: readonly (readonly [keyof Faults, number])[]
  #isOver = false
  #hasRemoved = false

  constructor(world: World, profile: Profile, watchers: readonly WatchClient[]) {
    this.#world = world
    this.#profile = profile
    this.#watchers = watchers
    this.#weights = Object.entries(profile.faults) as [keyof Faults, number][]
  }

  begin(): void {
    const { network } = this.#world
    const { lossPercent, repeatPercent, breakPercent, delayMsMax, syncMsMax } = this.#profile
    Object.assign(network.weather, { lossPercent, repeatPercent, breakPercent, delayMsMax })
    for (const machine of this.#world.machines) machine.diskWeather.syncMsMax = syncMsMax
    for (const watcher of this.#watchers) {
      watcher.habits.breaksOfThousand = 10
      watcher.habits.forgetsPercent = 10
    }
    this.#next()
    this.#operate()
  }

  /** The storm is over: wires, disks, clocks and processes are as they should be. */
  end(): void {
    const { network, machines } = this.#world
    this.#isOver = true
    this.#world.timeline.note('the storm is over')
    network.heal()
    Object.assign(network.weather, {
      lossPercent: 0,
      repeatPercent: 0,
      breakPercent: 0,
      delayMsMax: 2,
    })
    for (const machine of machines) {
      machine.armed = null
      machine.diskWeather.isFull = false
      machine.space.become('plenty')
      machine.diskWeather.syncMsMax = 2
      machine.time.drift(1)
      machine.life?.resume()
      // Whoever is too old to be taken in waits for a newer program.
      if (machine.node === null) this.#upgrade(machine)
      else if (!machine.isUp) this.#world.restart(machine)
    }
    for (const watcher of this.#watchers) {
      Object.assign(watcher.habits, { readMsMax: 2, breaksOfThousand: 0, forgetsPercent: 0 })
    }
  }

  #next(): void {
    const { timeline, random } = this.#world
    timeline.after(random.below(this.#profile.faultMsMax), '', () => {
      if (this.#isOver) return
      this.#act()
      this.#next()
    })
  }

  #act(): void {
    const total = this.#weights.reduce((sum, [, weight]) => sum + weight, 0)
    if (total === 0) return
    let dice = this.#world.random.below(total)
    for (const [fault, weight] of this.#weights) {
      dice -= weight
      if (dice < 0) return this.#bring(fault)
    }
  }

  #bring(fault: keyof Faults): void {
    const machine = this.#pick(this.#world.machines)
    if (machine === undefined) return
    switch (fault) {
      case 'cut':
        return this.#cut(machine)
      case 'isolateLeader':
        return this.#isolate(this.#world.leader ?? machine)
      case 'heal':
        return this.#heal()
      case 'killProcess':
        return this.#crash(machine, 'process')
      case 'failPower':
        return this.#crash(machine, 'power')
      case 'blackout':
        for (const each of this.#world.machines) this.#crash(each, 'power')
        return
      case 'crashAtStep':
        return this.#arm(machine)
      case 'stopProcess':
        return this.#stop(machine)
      case 'pause':
        return this.#pause(machine)
      case 'clock':
        return this.#turnClock(machine)
      case 'slowDisk':
        machine.diskWeather.syncMsMax = this.#pick([2, 30, 200, 600]) ?? 2
        return this.#note(`${machine.name} syncs in ${machine.diskWeather.syncMsMax} ms`)
      case 'fullDisk':
        return this.#fill(machine)
      case 'rot':
        return this.#rot(machine)
      case 'membership':
        return this.#changeMembership(machine)
      case 'upgrade':
        return this.#upgrade(this.#pick(this.#world.machines.filter(isOld)) ?? machine)
      case 'transfer':
        return this.#transfer(machine)
      case 'watchers':
        return this.#disturbWatcher()
    }
  }

  #cut(machine: Machine): void {
    const { random, network, machines } = this.#world
    const kind = random.below(2) === 0 ? 'drop' : 'hold'
    const ways = random.below(4)
    const side = new Set(machines.filter((each) => each === machine || random.below(3) === 0))
    for (const other of machines) {
      if (side.has(other)) continue
      for (const { name } of side) {
        if (ways !== 1) network.cut(name, other.name, kind)
        if (ways !== 2) network.cut(other.name, name, kind)
      }
    }
    const names = [...side].map(({ name }) => name).join(' ')
    this.#note(
      `${names} cut from the others (${kind}, ${ways === 1 ? 'in' : ways === 2 ? 'out' : 'both ways'})`,
    )
  }

  #isolate(machine: Machine): void {
    const { random, network, machines } = this.#world
    const kind = random.below(2) === 0 ? 'drop' : 'hold'
    const isDeaf = random.below(4) === 0
    for (const { name } of machines) {
      if (name === machine.name) continue
      network.cut(name, machine.name, kind)
      if (!isDeaf) network.cut(machine.name, name, kind)
    }
    this.#note(`${machine.name} isolated (${kind}${isDeaf ? ', hears nothing' : ''})`)
  }

  #heal(): void {
    const { network, machines } = this.#world
    if (network.cuts > 0) this.#note('the network heals')
    network.heal()
    for (const machine of machines) machine.diskWeather.syncMsMax = this.#profile.syncMsMax
  }

  #crash(machine: Machine, kind: 'process' | 'power'): void {
    if (!machine.isUp) {
      // The power may fail between two lives as well.
      if (kind === 'power') machine.losePower()
      return
    }
    machine.crash(kind)
    this.#world.restart(machine)
  }

  #arm(machine: Machine): void {
    const { random } = this.#world
    const step = this.#pick(DISK_STEPS) ?? 'written'
    const crash = random.below(3) === 0 ? 'process' : 'power'
    machine.armed = { step, left: 1 + random.below(20), crash }
    this.#note(`${machine.name} will crash (${crash}) ${step} in ${machine.armed.left} writes`)
  }

  #stop(machine: Machine): void {
    if (!machine.isUp) return
    this.#note(`${machine.name} is told to stop`)
    machine.life?.resume()
    machine.stop().then(
      () => this.#world.restart(machine),
      (error: unknown) => this.#world.oracle.fail(`${machine.name} did not stop: ${String(error)}`),
    )
  }

  #pause(machine: Machine): void {
    const { random, timeline } = this.#world
    const { life } = machine
    if (life === null || life.isHeld) return
    const ms = 20 + random.below(random.below(2) === 0 ? 200 : 2_000)
    this.#note(`${machine.name} stands still for ${ms} ms`)
    life.hold()
    timeline.after(ms, '', () => life.resume())
  }

  #turnClock(machine: Machine): void {
    const { random } = this.#world
    if (random.below(2) === 0) {
      const rate = [0.5, 0.8, 0.95, 1, 1.05, 1.3, 2][random.below(7)] ?? 1
      machine.time.drift(rate)
      return this.#note(`${machine.name} clock runs at ${rate}`)
    }
    const jumpMs = (random.below(2) === 0 ? 1 : -1) * random.below(48 * HOUR_MS)
    machine.time.jump(jumpMs)
    this.#note(`${machine.name} clock jumps by ${jumpMs} ms`)
  }

  #fill(machine: Machine): void {
    const { random, timeline } = this.#world
    // Usually it is seen to come; sometimes somebody else takes the last byte.
    const room = this.#pick(['low', 'none', 'none', null] as const) ?? null
    this.#note(`${machine.name} disk is full (${room ?? 'at once'})`)
    if (room === null) {
      machine.diskWeather.isFull = true
      this.#world.standing(machine).wasFull = true
    } else machine.life?.enter(() => machine.space.become(room))
    timeline.after(200 + random.below(2_000), '', () => {
      machine.diskWeather.isFull = false
      machine.space.become('plenty')
      this.#note(`${machine.name} disk has room`)
    })
  }

  /** One bit, of one member at a time, and only while the others can do without it. */
  #rot(machine: Machine): void {
    const { random, machines, leader } = this.#world
    const isTroubled = machines.some((each) => this.#world.standing(each).isRotten)
    const voters = leader?.node?.status().members.filter(({ role }) => role === 'voter') ?? []
    // A machine that came back empty votes again only once it is a member under its new id.
    const voting = new Set(voters.map(({ id }) => id))
    const isWhole = machines.every(({ id }) => voting.has(id))
    // A removal that the others have not applied yet still counts the removed one, who has ended: that is one lost.
    const isKnown =
      !this.#hasRemoved || machines.every((each) => votersBy(each) === votersBy(leader))
    if (isTroubled || !isWhole || !isKnown || this.#lost().length > 0 || voters.length < 3) return
    const place = this.#pick(['l', 'l', 's', 's', 'm', '']) ?? ''
    machine.crash(random.below(2) === 0 ? 'power' : 'process')
    const key = machine.platter.rot(place, random)
    this.#note(`${machine.name} rots at ${JSON.stringify(key)}`)
    this.#world.standing(machine).isRotten = key !== null
    this.#world.restart(machine)
  }

  #changeMembership(machine: Machine): void {
    const { random, machines, leader } = this.#world
    const dice = random.below(10)
    if (dice < 4) {
      if (machines.length >= MACHINES_MAX) return
      const added = this.#world.addMachine()
      added.diskWeather.syncMsMax = this.#profile.syncMsMax
      this.#note(`${added.name} wants to join`)
      added.start()
    } else if (dice < 7) {
      const members = leader?.node?.status().members ?? []
      const voters = members.filter(({ role }) => role === 'voter')
      if (voters.length > 2 && this.#lost().length === 0) this.#remove(machine.name)
    } else if (dice < 8) {
      const node = leader?.node
      this.#note(`${machine.name} is to be promoted`)
      // Whoever votes already, or is no member, is refused: that is the answer.
      node?.promoteMember(machine.name).catch(() => {})
    } else {
      this.#move(machine)
    }
  }

  /** A member comes back under another address. */
  #move(machine: Machine): void {
    const { random } = this.#world
    const port = 7_401 + random.below(1_000)
    machine.crash('process')
    machine.peer = `${machine.name}:${port}`
    this.#note(`${machine.name} moves to ${machine.peer}`)
    this.#world.restart(machine)
  }

  /** A machine goes on with the newest program. */
  #upgrade(machine: Machine): void {
    this.#note(`${machine.name} is to be upgraded`)
    machine.crash('process')
    machine.release = OWN_RELEASE
    this.#world.restart(machine)
  }

  #remove(name: string): void {
    const { leader, machines } = this.#world
    const machine = machines.find((each) => each.name === name)
    const node = leader?.node
    if (node === undefined || node === null) return
    this.#note(`${name} is to be removed`)
    this.#hasRemoved = true
    if (machine !== undefined) this.#world.standing(machine).isLeaving = true
    // Refused, lost or done: the operator looks at the members again.
    node.removeMember(name).catch(() => {})
  }

  #transfer(machine: Machine): void {
    const node = this.#world.leader?.node
    if (node === undefined || node === null) return
    const to = this.#world.random.below(2) === 0 ? null : machine.name
    this.#note(`leadership goes to ${to ?? 'anybody'}`)
    node.transferLeadership(to).catch(() => {})
  }

  #disturbWatcher(): void {
    const watcher = this.#pick(this.#watchers)
    const { random } = this.#world
    if (watcher === undefined) return
    const dice = random.below(3)
    if (dice === 0) watcher.breakOff()
    else if (dice === 1) watcher.habits.readMsMax = [1, 5, 50, 400][random.below(4)] ?? 1
    else watcher.habits.breaksOfThousand = random.below(80)
  }

  /** Members whose machines are gone for good, by name. */
  #lost(): readonly string[] {
    const members = this.#world.leader?.node?.status().members ?? []
    const here = new Set(this.#world.machines.map(({ name }) => name))
    return members.filter(({ name }) => !here.has(name)).map(({ name }) => name)
  }

  /** Removes members that are lost, and puts new machines in their place. */
  #operate(): void {
    this.#world.timeline.after(OPERATOR_MS, '', () => {
      const [lost] = this.#lost()
      if (lost !== undefined) this.#remove(lost)
      else if (this.#world.machines.length < Math.min(3, this.#profile.machines)) {
        const added = this.#world.addMachine()
        this.#note(`${added.name} takes the place of a lost one`)
        added.start()
      }
      this.#operate()
    })
  }

  #note(text: string): void {
    this.#world.timeline.note(`* ${text}`)
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#world.random.below(Math.max(1, items.length))]
  }
}

function isOld({ release }: Machine): boolean {
  return release !== OWN_RELEASE
}

/** The voters as one machine has applied them; null where nobody can say. */
function votersBy(machine: Machine | null): string | null {
  const members = machine?.node?.status().members
  if (members === undefined) return null
  const voters = members.filter(({ role }) => role === 'voter').map(({ id }) => id)
  return voters.toSorted((a, b) => a - b).join()
}
