import { hash } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { identitySchema, nodeAddressSchema } from './standing.ts'

const CARD = 'member.json'

const cardSchema = identitySchema.extend({
  name: z.string(),
  members: z.array(nodeAddressSchema).max(64),
})

/** Who a node is and whom it knows, beside its database: what it needs to find its cluster when that is damaged. */
export type MemberCard = z.infer<typeof cardSchema>

const fileSchema = z.object({ sha256: z.string(), card: z.unknown() })

/** The card of a data directory; null when there is none, or when it is damaged itself. */
export async function readMemberCard(dataDir: string): Promise<MemberCard | null> {
  try {
    const file = fileSchema.parse(JSON.parse(await readFile(join(dataDir, CARD), 'utf8')))
    if (file.sha256 !== checksum(file.card)) return null
    return cardSchema.parse(file.card)
  } catch {
    // It is a hint for a bad day. Without it `--join` has to do.
    return null
  }
}

/** Replaces the card, whole or not at all. */
export async function writeMemberCard(dataDir: string, card: MemberCard): Promise<void> {
  const path = join(dataDir, CARD)
  const file = await open(`${path}.tmp`, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ sha256: checksum(card), card }, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.tmp`, path)
}

function checksum(card: unknown): string {
  return hash('sha256', JSON.stringify(card))
}
