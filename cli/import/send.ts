import {
  IMPORT_BATCH_BYTES,
  IMPORT_BATCH_ROWS,
  IMPORT_BATCHES_AT_ONCE,
} from '../../shared/limits.ts'
import { writeAnswer, type WriteAnswer } from '../answers.ts'
import type { ControlClient } from '../client.ts'
import type { Terminal } from '../command.ts'
import { ApiProblem } from '../failures.ts'
import { writeAndWait, type WaitArguments } from '../rollout.ts'
import type { Merged } from './merge.ts'
import type { Row, RowIssue } from './rows.ts'

/** A row that is to be written. */
export type Write = { readonly row: Row; readonly merged: Merged }

/** One transaction. */
type Batch = { readonly writes: readonly Write[]; readonly operations: readonly object[] }

export type Sent = {
  readonly issues: readonly RowIssue[]
  readonly written: readonly Write[]
  /** Of the last transaction. */
  readonly answer: WriteAnswer | null
}

/** What a sender tells while it works: how many rows are done. */
type SendOptions = {
  readonly isDry: boolean
  readonly message: string
  readonly args: WaitArguments
  readonly onDone: (rows: number) => void
}

/**
 * Writes rows as transactions, a few at a time. Rows that a node refuses come back as issues, and the rest of their
 * transaction is written without them. The last transaction comes after all others, and waits for gateways if asked.
 */
export async function sendRows(
  context: { readonly client: ControlClient; readonly terminal: Terminal },
  writes: readonly Write[],
  options: SendOptions,
): Promise<Sent> {
  const batches = batchesOf(writes)
  const last = batches.pop()
  const issues: RowIssue[] = []
  const written: Write[] = []
  const carryOut = async (batch: Batch, args: WaitArguments): Promise<WriteAnswer | null> => {
    const sent = await sendBatch(context, batch, { ...options, args })
    issues.push(...sent.issues)
    for (const each of sent.written) written.push(each)
    options.onDone(batch.writes.length)
    return sent.answer
  }
  const withoutWait = { ...options.args, wait: false }
  const queue = batches[Symbol.iterator]()
  const lane = async (): Promise<void> => {
    for (const batch of queue) await carryOut(batch, withoutWait)
  }
  await Promise.all(Array.from({ length: IMPORT_BATCHES_AT_ONCE }, lane))
  const answer = last === undefined ? null : await carryOut(last, options.args)
  return { issues: issues.toSorted((a, b) => a.line - b.line), written, answer }
}

function batchesOf(writes: readonly Write[]): Batch[] {
  const batches: Batch[] = []
  let current: { writes: Write[]; operations: object[] } = { writes: [], operations: [] }
  let bytes = 0
  for (const write of writes) {
    const operation = operationOf(write)
    const size = JSON.stringify(operation).length
    const isFull =
      current.writes.length >= IMPORT_BATCH_ROWS ||
      (current.writes.length > 0 && bytes + size > IMPORT_BATCH_BYTES)
    if (isFull) {
      batches.push(current)
      current = { writes: [], operations: [] }
      bytes = 0
    }
    current.writes.push(write)
    current.operations.push(operation)
    bytes += size
  }
  if (current.writes.length > 0) batches.push(current)
  return batches
}

function operationOf({ row, merged }: Write): object {
  const { labels, spec, ifRevision } = merged
  const { name } = row
  return {
    op: 'put',
    kind: 'Consumer',
    name,
    ...(labels === undefined ? {} : { labels }),
    spec,
    ifRevision,
  }
}

/** One transaction, again without the rows that are refused, until it is written or nothing is left of it. */
async function sendBatch(
  context: { readonly client: ControlClient; readonly terminal: Terminal },
  batch: Batch,
  options: SendOptions,
): Promise<Sent> {
  const issues: RowIssue[] = []
  let { writes, operations } = batch
  while (writes.length > 0) {
    try {
      const answer = await writeAndWait(
        context,
        {
          method: 'POST',
          path: '/v1/transactions',
          query: options.isDry ? { dryRun: true } : {},
          body: { operations, message: options.message },
          schema: writeAnswer,
        },
        options.args,
      )
      return { issues, written: writes, answer }
    } catch (error) {
      const refused = refusedRows(error)
      if (refused.size === 0) throw error
      for (const [at, { path, message }] of refused) {
        const write = writes[at]
        if (write !== undefined) issues.push({ line: write.row.line, path, message })
      }
      writes = writes.filter((_, at) => !refused.has(at))
      operations = operations.filter((_, at) => !refused.has(at))
    }
  }
  return { issues, written: [], answer: null }
}

/** What a refusal says of single operations, by their number; empty when it is about something else. */
function refusedRows(
  error: unknown,
): Map<number, { readonly path: string; readonly message: string }> {
  const refused = new Map<number, { path: string; message: string }>()
  if (!(error instanceof ApiProblem)) return refused
  const isConflict = error.code === 'REVISION_CONFLICT'
  for (const { path, message } of error.issues) {
    const [, number, below = ''] = /^operations\.(\d+)(?:\.(.*))?$/.exec(path) ?? []
    if (number === undefined || refused.has(Number(number))) continue
    const said = isConflict ? `${message}: somebody wrote it meanwhile, import it again` : message
    refused.set(Number(number), { path: below, message: said })
  }
  return refused
}
