import { WATCH_LINE_BYTES_MAX } from '../../shared/limits.ts'
import { definitionAnswer, type DefinitionAnswer } from '../answers.ts'
import type { ControlClient } from '../client.ts'
import { splitLines } from '../render/split-lines.ts'

/** How a line of a snapshot with a Consumer begins; its name follows. Nodes write members in this order. */
const CONSUMER = '{"type":"definition","definition":{"kind":"Consumer","name":"'

/**
 * Those of the named Consumers that exist, as they stand: out of the snapshot that a watch begins with, which is one
 * call whatever their number, and of which only what is looked for is parsed.
 */
export async function standingConsumers(
  client: ControlClient,
  names: ReadonlySet<string>,
): Promise<ReadonlyMap<string, DefinitionAnswer>> {
  const standing = new Map<string, DefinitionAnswer>()
  const stop = new AbortController()
  const stream = await client.openWatch(null, stop.signal)
  try {
    for await (const line of splitLines(stream, WATCH_LINE_BYTES_MAX)) {
      if (line.startsWith('{"type":"snapshot-end"')) return standing
      if (!line.startsWith(CONSUMER)) continue
      const name = line.slice(CONSUMER.length, line.indexOf('"', CONSUMER.length))
      if (!names.has(name)) continue
      const { definition } = JSON.parse(line) as { readonly definition: unknown }
      standing.set(name, definitionAnswer.parse(definition))
    }
  } finally {
    stop.abort()
  }
  return standing
}
