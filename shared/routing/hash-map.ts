/**
 * A persistent map from hashes to values: the one structure under the routing table. A value knows what it stands for,
 * so two values may have the same hash, and whoever asks says which one is meant. Open addressing: hash and value lie
 * side by side, so that a look into a large map, which no cache holds, waits for memory once and not once a level as in
 * a tree (test/bench/table.ts). A shard that is full is cut in two, as in extendible hashing, and a change copies the
 * one shard that it falls into.
 *
 *     shards [ ○ ○ ○ … ]     by the highest bits of the hash; a shard may stand at several places
 *              └─ slots [ hash value | — | hash value | hash value | — … ]     by the lowest
 */
export type HashMap<V extends object> = Shards<V> | null

type Shards<V> = {
  /** Who may change this object and its list in place. */
  readonly edit: Edit
  /** Never 0: a map without values is null. */
  count: number
  /** How many bits of a hash tell the shard. */
  bits: number
  /** One for each value of these bits. */
  shards: Shard<V>[]
}

type Shard<V> = {
  readonly edit: Edit
  /** How many of the highest bits all hashes here have in common. */
  readonly bits: number
  count: number
  /** Hash and value in turn; at least half of the pairs are free. The length is a power of two. */
  slots: Slot<V>[]
}

type Slot<V> = number | V | undefined

/** Tells the value that is meant from others with the same hash; null where no two have the same. */
type IsMeant<V> = ((value: V) => boolean) | null

/**
 * The right to change in place what was made under the same token. One change of the table holds one token and drops
 * it at the end: what it made is shared from then on. Tokens have no content; only their identity counts.
 */
export type Edit = { readonly token: null }

/** A fresh right to change: owns nothing yet. */
export function newEdit(): Edit {
  return { token: null }
}

/** Values in a shard at which it is cut: what a change copies against what a match touches. */
const SHARD_VALUES_MAX = 256
/** More would only be cut in vain: such values have the same hash. */
const SHARD_BITS_MAX = 20
const SLOTS_MIN = 4

/** The value under `hash` that is the one meant, or undefined. */
export function find<V extends object>(
  map: HashMap<V>,
  hash: number,
  isMeant: IsMeant<V>,
): V | undefined {
  if (map === null) return undefined
  const { slots } = shardOf(map, hash)
  return slots[placeOf(slots, hash, isMeant)] as V | undefined // Values stand at the odd places.
}

/**
 * The map with the value that is meant replaced by what `change` makes of it; `undefined` stands for no value, before
 * and after. The same map when `change` returns what it was given.
 */
export function update<V extends object>(
  map: HashMap<V>,
  key: { readonly hash: number; readonly isMeant: IsMeant<V> },
  change: (value: V | undefined) => V | undefined,
  edit: Edit,
): HashMap<V> {
  const { hash } = key
  const before = find(map, hash, key.isMeant)
  const after = change(before)
  if (after === before) return map
  const mine = ownedMap(map, edit)
  const shard = ownedShard(mine, hash, edit)
  if (after === undefined) remove(shard, before)
  else if (before === undefined) add(shard, hash, after)
  else shard.slots[placeOf(shard.slots, hash, key.isMeant)] = after
  mine.count += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
  if (mine.count === 0) return null
  if (shard.count >= SHARD_VALUES_MAX && shard.bits < SHARD_BITS_MAX) cut(mine, hash, edit)
  return mine
}

/** Every value, in no order that means anything. */
export function* valuesOf<V extends object>(map: HashMap<V>): Generator<V> {
  for (const { slots } of new Set(map?.shards)) {
    for (let at = 1; at < slots.length; at += 2) {
      const value = slots[at] as V | undefined // Values stand at the odd places.
      if (value !== undefined) yield value
    }
  }
}

/** How many values there are. */
export function sizeOf<V extends object>(map: HashMap<V>): number {
  return map === null ? 0 : map.count
}

function shardOf<V>(map: Shards<V>, hash: number): Shard<V> {
  return map.shards[highest(hash, map.bits)] as Shard<V> // There is one for each value of the bits.
}

/** The highest bits of a hash as a number. In two steps, because a shift by 32 is one by 0. */
function highest(hash: number, bits: number): number {
  return (hash >>> 1) >>> (31 - bits)
}

/** Where the value that is meant stands, or would stand. */
function placeOf<V>(slots: Slot<V>[], hash: number, isMeant: IsMeant<V>): number {
  const mask = slots.length - 1
  for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
    const value = slots[at + 1] as V | undefined // Values stand at the odd places.
    if (value === undefined) return at + 1
    if (slots[at] === hash && (isMeant === null || isMeant(value))) return at + 1
  }
}

function add<V>(shard: Shard<V>, hash: number, value: V): void {
  if (shard.count * 4 >= shard.slots.length) shard.slots = rehashed(shard.slots, undefined, 2)
  put(shard.slots, hash, value)
  shard.count++
}

function remove<V>(shard: Shard<V>, value: V | undefined): void {
  shard.slots = rehashed(shard.slots, value, 1)
  shard.count--
}

/** The same values but `without`, in `factor` times the room. */
function rehashed<V>(slots: Slot<V>[], without: V | undefined, factor: 1 | 2): Slot<V>[] {
  const after = freeSlots<V>(slots.length * factor)
  for (let at = 0; at < slots.length; at += 2) {
    const value = slots[at + 1] as V | undefined // Values stand at the odd places, their hashes before them.
    if (value !== undefined && value !== without) put(after, slots[at] as number, value)
  }
  return after
}

/** Puts a value where none is meant yet. */
function put<V>(slots: Slot<V>[], hash: number, value: V): void {
  const at = placeOf(slots, hash, () => false)
  slots[at - 1] = hash
  slots[at] = value
}

function freeSlots<V>(length: number): Slot<V>[] {
  return Array<Slot<V>>(length).fill(undefined)
}

/** Cuts the shard of a hash in two. */
function cut<V>(map: Shards<V>, hash: number, edit: Edit): void {
  const full = shardOf(map, hash)
  const bits = full.bits + 1
  if (bits > map.bits) {
    map.shards = map.shards.flatMap((shard) => [shard, shard])
    map.bits = bits
  }
  const { length } = full.slots
  const halves = [emptyShard<V>(edit, bits, length), emptyShard<V>(edit, bits, length)] as const
  for (let at = 0; at < full.slots.length; at += 2) {
    const value = full.slots[at + 1] as V | undefined // Values stand at the odd places, their hashes before them.
    const own = full.slots[at] as number
    if (value !== undefined) add(halves[highest(own, bits) & 1 ? 1 : 0], own, value)
  }
  replaceShard(map, full, (place) => halves[(place >> (map.bits - bits)) & 1 ? 1 : 0])
}

/** Puts others at every place where a shard stands. */
function replaceShard<V>(
  map: Shards<V>,
  old: Shard<V>,
  shardFor: (place: number) => Shard<V>,
): void {
  for (let at = map.shards.indexOf(old); map.shards[at] === old; at++) map.shards[at] = shardFor(at)
}

function emptyShard<V>(edit: Edit, bits: number, length: number): Shard<V> {
  return { edit, bits, count: 0, slots: freeSlots(length) }
}

function ownedMap<V extends object>(map: HashMap<V>, edit: Edit): Shards<V> {
  if (map === null) return { edit, count: 0, bits: 0, shards: [emptyShard(edit, 0, SLOTS_MIN)] }
  if (map.edit === edit) return map
  return { edit, count: map.count, bits: map.bits, shards: map.shards.slice() }
}

function ownedShard<V>(map: Shards<V>, hash: number, edit: Edit): Shard<V> {
  const shard = shardOf(map, hash)
  if (shard.edit === edit) return shard
  const mine = { edit, bits: shard.bits, count: shard.count, slots: shard.slots.slice() }
  replaceShard(map, shard, () => mine)
  return mine
}
