import { Agent, request } from 'undici'

/** What a call answered, parsed if it is JSON. */
export type Reply = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  // Tests read answers member by member, and a wrong shape fails them.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

export type CallOptions = {
  readonly json?: unknown
  readonly text?: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
}

const agent = new Agent({ connections: 64, keepAliveTimeout: 1_000 })

/** One HTTP call of a node's API. */
export async function call(base: string, line: string, options: CallOptions = {}): Promise<Reply> {
  const [method = 'GET', path = '/'] = line.split(' ')
  const body = options.json === undefined ? options.text : JSON.stringify(options.json)
  const reply = await request(base + path, {
    method: method as 'GET',
    dispatcher: agent,
    headers: {
      ...(options.json === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const text = await reply.body.text()
  const isJson = /json/.test(String(reply.headers['content-type'] ?? ''))
  return {
    status: reply.statusCode,
    headers: reply.headers,
    text,
    body: isJson && text !== '' && !text.includes('\n') ? JSON.parse(text) : undefined,
  }
}

// A line of a watch, as a test looks at it.
// oxlint-disable-next-line typescript/no-explicit-any
export type Line = any

/** An open watch whose lines are awaited one by one, in order. */
export class TestWatch {
  readonly lines: Line[] = []
  readonly #abort = new AbortController()
  #wake: () => void = () => {}
  #isOver = false
  #taken = 0

  /** Resolves when the head is in. */
  static async open(
    base: string,
    query = '',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TestWatch> {
    const watch = new TestWatch()
    const reply = await request(`${base}/v1/watch${query}`, {
      headers,
      signal: watch.#abort.signal,
      bodyTimeout: 0,
      dispatcher: new Agent({ connections: 1 }),
    })
    if (reply.statusCode !== 200) throw new Error(`${reply.statusCode} ${await reply.body.text()}`)
    void watch.#read(reply.body)
    return watch
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The next line; rejects when none comes. */
  async next(timeoutMs = 5_000): Promise<Line> {
    await this.#until(() => this.lines.length > this.#taken, timeoutMs)
    return this.lines[this.#taken++]
  }

  /** The next line of a type; lines before it are skipped. */
  async nextOf(type: string, timeoutMs = 5_000): Promise<Line> {
    for (;;) {
      const line = await this.next(timeoutMs)
      if (line.type === type) return line
    }
  }

  /** Resolves when the stream has ended. */
  async ended(timeoutMs = 5_000): Promise<void> {
    await this.#until(() => this.#isOver, timeoutMs)
  }

  close(): void {
    this.#abort.abort()
  }

  async #read(body: AsyncIterable<Buffer>): Promise<void> {
    let rest = ''
    try {
      for await (const chunk of body) {
        const parts = (rest + chunk.toString()).split('\n')
        rest = parts.pop() ?? ''
        this.lines.push(...parts.map((part) => JSON.parse(part)))
        this.#wake()
      }
    } catch {
      // Aborted by the test, or cut off by the node: either way it is over.
    }
    this.#isOver = true
    this.#wake()
  }

  async #until(isMet: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!isMet()) {
      const leftMs = deadline - Date.now()
      if (leftMs <= 0)
        throw new Error(`nothing came; so far: ${JSON.stringify(this.lines.slice(-5))}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

/** Resolves once `isMet` holds. */
export async function until(
  isMet: () => boolean | Promise<boolean>,
  timeoutMs = 5_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await isMet())) {
    if (Date.now() > deadline) throw new Error('the condition did not come about')
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}

/** The spec of an Api on a host of its own. */
export function apiSpec(name: string, target = 'http://127.0.0.1:9001'): object {
  return {
    hosts: [`${name}.example.com`],
    routes: [{ path: '/pets' }],
    upstream: { targets: [{ url: target }] },
  }
}
