// npm run fuzz -- [--messages N | --minutes N] [--seed N]: reads generated and damaged messages with ours and with
// node:http's parser. Prints what was stricter and why; exit code 1 when something was read in two ways.
import { parseArgs } from 'node:util'
import { Random } from '../../../../shared/random.ts'
import { newTally, step } from './compare.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
  },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 32)
const minutes = values.minutes === undefined ? null : Number(values.minutes)
const messages = Number(
  values.messages ?? (minutes === null ? 1_000_000 : Number.POSITIVE_INFINITY),
)
const deadline = minutes === null ? Number.POSITIVE_INFINITY : performance.now() + minutes * 60_000
const random = new Random(seed)
const tally = newTally()

console.log(`seed ${seed}`)
while (tally.messages < messages && performance.now() < deadline && tally.differences.length < 20) {
  step(random.below(3) === 0 ? 'responses' : 'requests', random, tally)
}
console.log(`${tally.messages} messages in ${tally.streams} streams`)
for (const [reason, count] of [...tally.stricter].sort((a, b) => b[1] - a[1])) {
  console.log(`stricter ${count} times: ${reason}`)
}
for (const difference of tally.differences) console.log(`DIFFERENT ${difference}`)
if (tally.differences.length > 0) process.exitCode = 1
