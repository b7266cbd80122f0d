// Writes entries and applies them as fast as it can, and says on stdout what was acknowledged, until it is killed.
import { openStoreIn } from '../../../control-plane/storage/open-store.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import { SILENT } from '../../../shared/logger.ts'
import { api, put, write } from '../state-machine/samples.ts'
import { CONF_STATE, entry } from './sample-entries.ts'

const [dir = ''] = process.argv.slice(2)
const store = await openStoreIn(dir, SILENT)
const state = ReplicatedState.restore(store.restored)
let index = store.log.lastIndex()
for (let turn = 0; ; turn++) {
  const batch = Array.from({ length: 1 + (turn % 5) }, () => entry(++index, 1, `entry ${index}`))
  await store.persist({ entries: batch, hardState: { term: 1, vote: 1, commit: index } })
  process.stdout.write(`persisted ${index}\n`)
  const { records } = state.apply(write([put(api(`api-${turn % 50}`))], { key: `${index}` }), index)
  const line = `applied ${index} ${state.revision} ${state.hash}\n`
  const applied = store
    .apply({ appliedIndex: index, appliedTerm: 1, confState: CONF_STATE, records })
    .then(() => process.stdout.write(line))
  // What was applied goes to the disk alone, and several at once.
  if (turn % 8 < 4 || turn % 4 === 3) {
    await store.written(state.revision)
    await applied
  }
  if (turn % 40 === 39) await store.compactLog(index - 20)
}
