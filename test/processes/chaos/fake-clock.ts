import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { arch } from 'node:process'

const TRIPLETS: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
}

/** Debian's libfaketime, or null where it is not installed. */
export function faketimeLibrary(): string | null {
  const path = `/usr/lib/${TRIPLETS[arch] ?? arch}/faketime/libfaketime.so.1`
  return existsSync(path) ? path : null
}

/** The wall clock of one process, set by a file. Its monotonic clock is the machine's: that one never jumps. */
export class FakeClock {
  readonly #file: string
  readonly #library: string

  constructor(file: string, library: string) {
    this.#file = file
    this.#library = library
  }

  /** What the process is started with; the file must be there by then. */
  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      // How long the process goes by what it last read, in seconds.
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** Within a second the process believes that it is so many seconds later (or earlier) than it is. */
  async set(seconds: number): Promise<void> {
    await writeFile(this.#file, `${seconds < 0 ? '' : '+'}${seconds}\n`)
  }
}
