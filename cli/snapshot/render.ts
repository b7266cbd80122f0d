import type { BackupContents } from '../../control-plane/offline.ts'
import { printable, renderTable } from '../render/table.ts'

/** A backup for people. */
export function renderBackup(contents: BackupContents): string {
  const { header, bytes, definitions, history, members, idempotencyKeys } = contents
  const kinds = Object.entries(definitions).map(([kind, count]) => `${count} ${kind}`)
  const lines = [
    ['cluster', header.clusterId],
    ['revision', String(header.revision)],
    ['hash', header.hash],
    ['log index', `${header.index} (term ${header.term})`],
    ['taken', `${header.createdAt} from ${header.node}, raftway ${header.version}`],
    ['definitions', kinds.length === 0 ? 'none' : kinds.join(', ')],
    ['history', history === null ? 'none' : `revisions ${history.from} to ${history.to}`],
    ['idempotency keys', String(idempotencyKeys)],
    ['size', `${bytes} bytes, every checksum matches`],
  ]
  const text = lines.map(([name = '', value = '']) => `${name.padEnd(17)}${printable(value)}\n`)
  const rows = members.map(({ name, peer, api }) => [name, peer, api])
  return `${text.join('')}\n${renderTable(['MEMBER', 'PEER', 'API'], rows)}`
}

/** A backup for programs. */
export function backupJson({ header, ...rest }: BackupContents): Record<string, unknown> {
  return { ...header, ...rest }
}
