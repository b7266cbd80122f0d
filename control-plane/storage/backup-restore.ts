import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { RaftwayError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { NodeId } from '../raft/messages.ts'
import { BackupCheck, type BackupContents } from './backup-contents.ts'
import type { NodeStore } from './node-store.ts'
import { openStoreIn } from './open-store.ts'
import { votersOnly, type Refounding } from './refounding.ts'

/** Where a restore works until it is whole. */
const PARTIAL = 'restore.partial'
const READ_BYTES = 256 * 1024

/** Reads and checks a whole backup. BACKUP_DAMAGED with where; what the system says when there is no such file. */
export async function inspectBackup(file: string): Promise<BackupContents> {
  const check = new BackupCheck()
  for await (const piece of createReadStream(file, { highWaterMark: READ_BYTES })) {
    check.push(piece as Buffer) // A stream without an encoding gives bytes.
  }
  return check.finish()
}

/**
 * Makes a fresh data directory from a backup: the beginning of another cluster. The backup is read twice, so that
 * nothing is made of a damaged one. All or nothing: the directory is put in its place when it is durable.
 * BACKUP_DAMAGED, DATA_DIRECTORY_NOT_EMPTY, INVALID_REQUEST when the revision would go back.
 */
export async function restoreBackup(options: {
  readonly file: string
  readonly dataDir: string
  /** Given the contents, says what they become. */
  readonly refound: (contents: BackupContents) => Refounding
  readonly logger: Logger
}): Promise<{ readonly contents: BackupContents; readonly refounding: Refounding }> {
  const { file, logger } = options
  const dataDir = resolve(options.dataDir)
  await assertEmpty(dataDir)
  const contents = await inspectBackup(file)
  const refounding = options.refound(contents)
  assertForward(contents.header.revision, refounding.revision)
  const partial = join(dataDir, PARTIAL)
  await mkdir(partial, { recursive: true })
  const store = await openStoreIn(partial, logger)
  try {
    await fill(store, file, refounding)
  } finally {
    await store.close()
  }
  await rename(join(partial, 'db'), join(dataDir, 'db'))
  await rm(partial, { recursive: true })
  for (const folder of [dataDir, dirname(dataDir)]) await syncFolder(folder)
  return { contents, refounding }
}

async function fill(store: NodeStore, file: string, refounding: Refounding): Promise<void> {
  const check = new BackupCheck()
  let incoming: Awaited<ReturnType<NodeStore['receiveState']>> | null = null
  for await (const piece of createReadStream(file, { highWaterMark: READ_BYTES })) {
    const chunks = check.push(piece as Buffer)
    if (check.header === null) continue
    const { index, term } = check.header
    incoming ??= await store.receiveState({ index, term, confState: votersOnly([]) })
    for (const chunk of chunks) await incoming.write(chunk)
  }
  const { members } = check.finish()
  if (incoming === null) throw new RaftwayError('BACKUP_DAMAGED', 'the backup is empty')
  await incoming.finish()
  await store.foundFrom(
    incoming,
    members.map(({ id }): NodeId => id),
    refounding,
  )
}

/** Revisions only grow: whoever watched the old cluster must not take the new one's for what it has seen. */
export function assertForward(from: number, to: number): void {
  if (to > from && Number.isSafeInteger(to)) return
  const detail = `the new cluster must begin above revision ${from}, not at ${to}`
  throw new RaftwayError('INVALID_REQUEST', detail)
}

/** What an earlier restore left half-way goes. */
async function assertEmpty(dataDir: string): Promise<void> {
  const names: readonly string[] = await readdir(dataDir).catch((error: unknown): string[] => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  if (names.includes(PARTIAL)) await rm(join(dataDir, PARTIAL), { recursive: true })
  const others = names.filter((name) => name !== PARTIAL)
  if (others.length === 0) return
  const detail = `${dataDir} holds ${others.slice(0, 3).join(', ')}: a restore makes a fresh directory`
  throw new RaftwayError('DATA_DIRECTORY_NOT_EMPTY', detail)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
