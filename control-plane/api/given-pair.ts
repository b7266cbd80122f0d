import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import { API_PAIR_POLL_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { PairSource } from '../ports.ts'

type Pair = PairSource['pair']

export type GivenPairOptions = {
  /** PEM; chains begin with the server's own certificate. */
  readonly certFile: string
  readonly keyFile: string
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The pair of `--api-cert` and `--api-key`, read again when the files change: what renews certificates need not know of
 * this process. Files that do not fit together, as between two renames, are left for the next look.
 */
export class GivenPair implements PairSource {
  readonly #options: GivenPairOptions
  readonly #listeners = new Set<() => void>()
  readonly #stop: () => void
  #pair: Pair
  /** What was wrong at the last look, so that it is said once. */
  #complaint: string | null = null

  /** INVALID_REQUEST when the files cannot be used. Close it. */
  static async open(options: GivenPairOptions): Promise<GivenPair> {
    try {
      return new GivenPair(options, await readPair(options))
    } catch (cause) {
      // OpenSSL's words name no content of a key.
      const detail = `--api-cert and --api-key cannot be used: ${describeError(cause)}`
      throw new RaftwayError('INVALID_REQUEST', detail, { cause })
    }
  }

  private constructor(options: GivenPairOptions, pair: Pair) {
    this.#options = options
    this.#pair = pair
    // `reload` never rejects.
    this.#stop = options.clock.every(API_PAIR_POLL_MS, () => void this.reload())
  }

  get pair(): Pair {
    return this.#pair
  }

  onRenewal(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Looks at the files now; the old pair stays when they cannot be used. */
  async reload(): Promise<void> {
    const { logger, certFile } = this.#options
    try {
      const pair = await readPair(this.#options)
      this.#complaint = null
      if (pair.cert === this.#pair.cert && pair.key === this.#pair.key) return
      this.#pair = pair
      const validTo = new X509Certificate(pair.cert).validToDate.toISOString()
      logger.info({ certFile, validTo }, 'the certificate of the API was exchanged')
      for (const hear of this.#listeners) hear()
    } catch (error) {
      const complaint = describeError(error)
      if (complaint === this.#complaint) return
      this.#complaint = complaint
      logger.error({ certFile }, `the certificate of the API stays as it was: ${complaint}`)
    }
  }

  close(): void {
    this.#stop()
    this.#listeners.clear()
  }
}

async function readPair({ certFile, keyFile }: GivenPairOptions): Promise<Pair> {
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key }
  throw new Error(`the key in ${keyFile} is not that of the certificate in ${certFile}`)
}
