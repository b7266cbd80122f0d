import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the memory of a process that runs for months near what it uses. Left to itself V8 lets garbage double the heap
 * before it looks, and the space for young objects grow for good: a node took 200 MB more after 10,000 revisions, of which it
 * used 20 (`test/bench/cluster.ts`). Call it when everything has started, so that the start is not slowed down.
 */
export function boundHeap(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=40')
}
