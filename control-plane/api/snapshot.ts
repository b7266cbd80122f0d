import type { Request, Response } from 'express'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import { BACKUP_STALL_MS_MAX, BACKUPS_MAX } from '../../shared/limits.ts'
import type { OutgoingBackup } from '../ports.ts'
import { otherWork } from './answer.ts'
import type { Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Query } from './query.ts'
import { CONSISTENCY, readPoint, readsStale } from './reads.ts'

/** `GET /v1/snapshot`: a backup of the whole replicated state, as one file. */
export function snapshotCalls(api: ApiContext): Call[] {
  const desk = new BackupDesk(api)
  return [
    {
      path: '/v1/snapshot',
      isOpenEnded: true,
      methods: {
        get: {
          // Everything is in it: hashes of tokens, sealed secrets, what nodes vouch for callers with.
          need: { right: 'operate' },
          handle: (request, response) => desk.serve(request, response),
        },
      },
    },
  ]
}

class BackupDesk {
  readonly #api: ApiContext
  #open = 0

  constructor(api: ApiContext) {
    this.#api = api
  }

  /** Everything that was acknowledged before the call is in it. NO_LEADER, TIMEOUT, OVERLOADED. */
  async serve(request: Request, response: Response): Promise<void> {
    const query = new Query(request.url, [CONSISTENCY])
    const isStale = readsStale(query)
    query.finish()
    await readPoint(this.#api, isStale)
    // A cut holds on to what is deleted meanwhile: a few at a time.
    if (this.#open >= BACKUPS_MAX) {
      const detail = `This node serves ${BACKUPS_MAX} backups (BACKUPS_MAX) already.`
      throw new RaftwayError('OVERLOADED', detail)
    }
    this.#open++
    try {
      const backup = await this.#api.plane.openBackup()
      const forget = this.#api.gate.watchOver(request, (code, reason) => {
        this.#api.logger.warn({ code, reason }, 'a backup was cut off')
        response.destroy()
      })
      try {
        await this.#send(backup, request, response)
      } finally {
        forget()
        await backup.close()
      }
    } finally {
      this.#open--
    }
  }

  async #send(backup: OutgoingBackup, request: Request, response: Response): Promise<void> {
    const { clusterId, revision } = backup
    response.setHeader('Raftway-Revision', revision)
    response.setHeader('Content-Type', 'application/octet-stream')
    const name = `raftway-${clusterId.slice(0, 8)}-${revision}.backup`
    response.setHeader('Content-Disposition', `attachment; filename="${name}"`)
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    try {
      for await (const piece of backup.pieces()) {
        if (response.destroyed) return
        if (this.#api.isStopping()) throw new RaftwayError('STOPPING', 'This node is stopping.')
        if (response.write(piece)) await otherWork()
        else await takenInTime(response)
      }
      response.end()
    } catch (error) {
      // The head is out: a file without its footer is what tells the client.
      this.#api.logger.warn({ reason: describeError(error) }, 'a backup was cut off')
      response.destroy()
    }
  }
}

/** Resolves when the client took what was written, or went away; one that takes nothing for too long is cut off. */
async function takenInTime(response: Response): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(() => response.destroy(), BACKUP_STALL_MS_MAX)
  response.once('drain', resolve)
  response.once('close', resolve)
  await promise
  clearTimeout(timer)
  response.off('drain', resolve)
  response.off('close', resolve)
}
