import { makeEntry } from '../../../control-plane/raft/entry.ts'
import type { ConfState, Entry } from '../../../control-plane/raft/messages.ts'

export const CONF_STATE: ConfState = {
  voters: [1, 2, 3],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
}

export function entry(index: number, term = 1, text = `entry ${index}`): Entry {
  return makeEntry({ term, index }, 'normal', Buffer.from(text))
}
