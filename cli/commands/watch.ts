import { setTimeout as pause } from 'node:timers/promises'
import { CLIENT_RETRY_MS, WATCH_LINE_BYTES_MAX } from '../../shared/limits.ts'
import { watchLineAnswer, type WatchLineAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import type { ControlClient } from '../client.ts'
import { defineCommand, type Terminal } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { ApiProblem, CommandFailure } from '../failures.ts'
import { splitLines } from '../render/split-lines.ts'
import { colours, type Colours } from '../render/colour.ts'
import { printable } from '../render/table.ts'

/** `raftway watch`: committed changes as they happen. */
export const WATCH_COMMANDS = [
  defineCommand({
    usage: 'watch',
    summary: 'Print changes as they are committed, until Ctrl-C',
    examples: [
      ['raftway watch', 'From now on'],
      [
        'raftway watch --from 12 -o json',
        'Every line of the stream since revision 12, for a program',
      ],
    ],
    positionals: {},
    options: {
      from: {
        type: 'number',
        describe: 'begin after this revision; default: now (text), or a snapshot first (json)',
      },
      ...CONTROL_OPTION,
      ...OUTPUT_OPTION,
    },
    run: async (args, terminal) => {
      const stop = terminal.takeStop()
      const follower = new Follower(args.from ?? null, args.output === 'json', terminal)
      await withClient(args, terminal, (client) => follower.run(client, stop))
      return EXIT.ok
    },
  }),
]

/** Follows the stream over broken connections, without a gap and without a repeat. */
class Follower {
  readonly #isRaw: boolean
  readonly #terminal: Terminal
  readonly #colours: Colours
  /** The last revision shown; null until the stream has told where it stands. */
  #revision: number | null

  constructor(from: number | null, isRaw: boolean, terminal: Terminal) {
    this.#revision = from
    this.#isRaw = isRaw
    this.#terminal = terminal
    this.#colours = colours(terminal)
  }

  /** Returns when `stop` is aborted. Throws what no repetition would cure. */
  async run(client: ControlClient, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        const stream = await client.openWatch(this.#revision, stop)
        for await (const line of splitLines(stream, WATCH_LINE_BYTES_MAX)) this.#show(line)
        if (!stop.aborted) this.#terminal.say(`${client.url} ended the watch; opening it again`)
      } catch (error) {
        if (stop.aborted) return
        if (error instanceof CommandFailure) throw error
        if (error instanceof ApiProblem && error.status >= 400 && error.status < 500) throw error
        this.#terminal.say(`the watch broke: ${(error as Error).message}; opening it again`)
      }
      client.moveOn()
      await pause(CLIENT_RETRY_MS, undefined, { signal: stop }).catch(() => {})
    }
  }

  #show(text: string): void {
    if (this.#isRaw) this.#terminal.out(`${text}\n`)
    const parsed = watchLineAnswer.safeParse(JSON.parse(text))
    // A line of a type that is not known yet: a newer node may send some.
    if (!parsed.success) return
    const line = parsed.data
    if (!this.#isRaw) this.#explain(line)
    if (line.type === 'change' || line.type === 'snapshot-end' || line.type === 'bookmark') {
      this.#revision = line.revision
    }
  }

  #explain(line: WatchLineAnswer): void {
    const { bold, dim, green, yellow, red } = this.#colours
    switch (line.type) {
      case 'snapshot':
        this.#terminal.say(`at revision ${line.revision} with ${line.count} definitions`)
        return
      case 'compacted':
        this.#terminal.say(`changes up to revision ${line.revision} are no longer kept`)
        return
      case 'closed':
        this.#terminal.say(`the node closes the watch: ${line.reason}`)
        return
      case 'change': {
        const changes = line.changes.map((change) => {
          if (change.op === 'delete') return red(`- ${printable(`${change.kind}/${change.name}`)}`)
          const { kind, name, createdRevision } = change.definition
          const key = printable(`${kind}/${name}`)
          return createdRevision === line.revision ? green(`+ ${key}`) : yellow(`~ ${key}`)
        })
        const time = dim(new Date().toISOString())
        this.#terminal.out(`${time} ${bold(String(line.revision))} ${changes.join(', ')}\n`)
        return
      }
      default:
    }
  }
}
