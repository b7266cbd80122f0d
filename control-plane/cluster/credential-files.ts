import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { AUTHORITY_SEED_BYTES } from './authority.ts'

/** Hides a secret before it is written, and takes it out again. */
export type SeedSeal = { seal(secret: Uint8Array): string; unseal(text: string): Uint8Array }

/** A key and its certificate, PEM. */
export type KeyPair = { readonly key: string; readonly cert: string }

const KEY_END = '-----END PRIVATE KEY-----\n'
const OWNER_ONLY = 0o600

/**
 * What a node keeps of its certificates, in `<data-dir>/tls`, which only its owner can read:
 *
 *   authority.crt    the authority's certificate; public
 *   authority.seed   what the authority is derived from, once the node has it
 *   node.pem         this node's key and certificate, replaced together
 *
 * Each file is written beside its name, synced and renamed: a crash leaves the old one or the new one. Reading throws
 * STORAGE_CORRUPT, with the file's name and never with what is in it.
 */
export class CredentialFiles {
  readonly #dir: string
  readonly #seal: SeedSeal

  constructor(dataDir: string, seal: SeedSeal) {
    this.#dir = join(dataDir, 'tls')
    this.#seal = seal
  }

  /** PEM, or null. */
  readAuthority(): Promise<string | null> {
    return this.#read('authority.crt')
  }

  writeAuthority(pem: string): Promise<void> {
    return this.#write('authority.crt', pem)
  }

  /** The seed, or null. */
  async readSeed(): Promise<Uint8Array | null> {
    const text = await this.#read('authority.seed')
    if (text === null) return null
    try {
      const seed = this.#seal.unseal(text.trim())
      if (seed.length === AUTHORITY_SEED_BYTES) return seed
    } catch (cause) {
      // What a seal refuses it says in words of its own, without the secret.
      if (isRaftwayError(cause)) throw cause
    }
    throw this.#damaged('authority.seed')
  }

  writeSeed(seed: Uint8Array): Promise<void> {
    return this.#write('authority.seed', `${this.#seal.seal(seed)}\n`)
  }

  async readPair(): Promise<KeyPair | null> {
    const text = await this.#read('node.pem')
    if (text === null) return null
    const end = text.indexOf(KEY_END)
    if (end === -1) throw this.#damaged('node.pem')
    return { key: text.slice(0, end + KEY_END.length), cert: text.slice(end + KEY_END.length) }
  }

  writePair({ key, cert }: KeyPair): Promise<void> {
    return this.#write('node.pem', key + cert)
  }

  async #read(name: string): Promise<string | null> {
    try {
      return await readFile(join(this.#dir, name), 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      throw error
    }
  }

  async #write(name: string, text: string): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    const path = join(this.#dir, name)
    const file = await open(`${path}.new`, 'w', OWNER_ONLY)
    try {
      await file.chmod(OWNER_ONLY)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
    const directory = await open(this.#dir, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  }

  #damaged(name: string): RaftwayError {
    return new RaftwayError('STORAGE_CORRUPT', `${join(this.#dir, name)} is damaged`)
  }
}
