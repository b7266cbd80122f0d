import { createHash, hash } from 'node:crypto'
import type { DefinitionName } from './definition-text.ts'

/**
 * The last-good file, one line each:
 *
 *   header       {"format":1,"version":…,"revision":…,"hash":…,"count":M,"inForce":K,"refused":[…],"sha256":…}
 *   definitions  M canonical definitions, as the control plane has them
 *   in force     K canonical definitions: last good forms of those that cannot be used here as they are
 *
 * `sha256` covers the header, with zeros in its place, and everything below it.
 */
export type LastGoodHeader = {
  readonly format: 1
  /** Version of the gateway that wrote it: the same one need not check the definitions again. */
  readonly version: string
  readonly revision: number
  /** Config hash of the M definitions. */
  readonly hash: string
  readonly count: number
  readonly inForce: number
  /** Keys of definitions that this version's schemas refuse, and why. */
  readonly refused: readonly (readonly [key: string, reason: string])[]
  readonly sha256: string
}

/** Parts of the file as they lie in it, one text a line. */
export type LastGoodContent = {
  readonly header: LastGoodHeader
  readonly definitions: Buffer
  readonly inForce: Buffer
}

/** One step kept beside the file. A line is the first 16 digits of the SHA-256 of the rest, a space, and the rest. */
export type LastGoodChange = {
  readonly revision: number
  readonly hash: string
  /** Canonical texts. */
  readonly puts: readonly string[]
  readonly deletes: readonly DefinitionName[]
}

const ZEROS = '0'.repeat(64)
const NEWLINE = 10

/** The header's line, with zeros for the checksum and with its newline. */
export function headerLine(header: Omit<LastGoodHeader, 'format' | 'sha256'>): string {
  return `${JSON.stringify({ format: 1, ...header, sha256: ZEROS })}\n`
}

/** The header's line with its checksum: as long as it was with zeros. */
export function withChecksum(line: string, sha256: string): string {
  return line.replace(`"sha256":"${ZEROS}"`, `"sha256":"${sha256}"`)
}

/** A file's content, or why it cannot be trusted. */
export function decodeLastGood(
  file: Buffer,
):
  | { readonly ok: true; readonly content: LastGoodContent }
  | { readonly ok: false; readonly reason: string } {
  const end = file.indexOf(NEWLINE)
  if (end === -1) return { ok: false, reason: 'it has no header line: truncated' }
  const line = file.toString('utf8', 0, end)
  const header = readHeader(line)
  if (header === null) return { ok: false, reason: 'its header is damaged' }
  const body = file.subarray(end + 1)
  const blank = line.replace(`"sha256":"${header.sha256}"`, `"sha256":"${ZEROS}"`)
  const sha256 = createHash('sha256').update(`${blank}\n`).update(body).digest('hex')
  if (sha256 !== header.sha256) {
    return { ok: false, reason: 'its checksum does not match: truncated or damaged' }
  }
  const definitionsEnd = endOfLines(body, header.count)
  const definitions = body.subarray(0, definitionsEnd)
  const inForce = body.subarray(definitionsEnd)
  if (definitionsEnd === -1 || endOfLines(inForce, header.inForce) !== inForce.length) {
    return { ok: false, reason: 'it has other lines than its header says' }
  }
  return { ok: true, content: { header, definitions, inForce } }
}

/** The texts of a part. */
export function linesOf(part: Uint8Array): string[] {
  const lines = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    .toString('utf8')
    .split('\n')
  lines.pop()
  return lines
}

/** Where the first `count` lines end; -1 when there are fewer. */
function endOfLines(bytes: Buffer, count: number): number {
  let end = 0
  for (let line = 0; line < count; line++) {
    end = bytes.indexOf(NEWLINE, end) + 1
    if (end === 0) return -1
  }
  return end
}

/** The first line of the changes beside a file: which file they belong to. */
export function changesHeader(base: string): string {
  return withSum(JSON.stringify({ base }))
}

/** One change as a line with its own checksum. */
export function encodeChange(change: LastGoodChange): string {
  const { revision, hash: configHash, puts, deletes } = change
  const head = `{"revision":${revision},"hash":"${configHash}"`
  return withSum(`${head},"puts":[${puts.join(',')}],"deletes":${JSON.stringify(deletes)}}`)
}

/**
 * The changes that belong to the file with checksum `base`, up to the first damaged line. `isWhole` is false when there
 * was one: what a crash cut off, or worse.
 */
export function decodeChanges(
  text: string,
  base: string,
): { readonly changes: readonly LastGoodChange[]; readonly isWhole: boolean } {
  const lines = text.split('\n')
  const tail = lines.pop()
  const first = unsummed(lines[0] ?? '')
  if (first === null || first !== JSON.stringify({ base })) {
    return { changes: [], isWhole: text === '' }
  }
  const changes: LastGoodChange[] = []
  for (const line of lines.slice(1)) {
    const json = unsummed(line)
    if (json === null) return { changes, isWhole: false }
    // The checksum says that it is what encodeChange wrote.
    const {
      revision,
      hash: configHash,
      puts,
      deletes,
    } = JSON.parse(json) as {
      revision: number
      hash: string
      puts: unknown[]
      deletes: DefinitionName[]
    }
    const texts = puts.map((definition) => JSON.stringify(definition))
    changes.push({ revision, hash: configHash, puts: texts, deletes })
  }
  return { changes, isWhole: tail === '' }
}

function withSum(json: string): string {
  return `${hash('sha256', json).slice(0, 16)} ${json}\n`
}

function unsummed(line: string): string | null {
  const json = line.slice(17)
  return line === withSum(json).slice(0, -1) ? json : null
}

function readHeader(line: string): LastGoodHeader | null {
  try {
    const header: unknown = JSON.parse(line)
    if (typeof header !== 'object' || header === null) return null
    const { format, sha256, count, inForce } = header as Readonly<Record<string, unknown>>
    const isSane =
      format === 1 &&
      typeof sha256 === 'string' &&
      /^[0-9a-f]{64}$/.test(sha256) &&
      typeof count === 'number' &&
      typeof inForce === 'number'
    // The checksum vouches for the rest.
    return isSane ? (header as LastGoodHeader) : null
  } catch {
    return null
  }
}
