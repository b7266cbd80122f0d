import { describeError } from '../../shared/errors.ts'
import { AUTHORITY_RETRY_MS, MEMBER_CALL_MS_MAX } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { ControlPlane, Transport } from '../ports.ts'
import type { Credentials } from './credentials.ts'
import { AUTHORITY_CALL, authorityAnswerSchema } from './peer-enrolment.ts'

/**
 * A member that has joined with a token asks the others for the cluster authority until one hands it over: without it the
 * node could not issue certificates when it leads, nor renew its own. Returns the way to stop.
 */
export function seekAuthority(parts: {
  readonly credentials: Credentials
  readonly plane: ControlPlane
  readonly call: Transport['call']
  readonly clock: Clock
  readonly logger: Logger
}): () => void {
  const { credentials, plane, call, clock, logger } = parts
  let isOver = credentials.seed !== null
  let cancel = (): void => {}
  const ask = async (): Promise<void> => {
    const { self } = plane
    for (const { id, name, peer } of plane.status().members) {
      if (isOver || id === self.id) continue
      try {
        const { body } = await call(peer, { type: AUTHORITY_CALL, body: null }, MEMBER_CALL_MS_MAX)
        const { seed } = authorityAnswerSchema.parse(body)
        await credentials.takeSeed(Buffer.from(seed, 'base64url'))
        isOver = true
        logger.info({ by: name }, 'was given the cluster authority')
      } catch (error) {
        logger.debug({ peer, reason: describeError(error) }, 'the cluster authority was not given')
      }
    }
  }
  const again = (): void => {
    // `ask` never rejects.
    void ask().finally(() => {
      if (!isOver) cancel = clock.after(AUTHORITY_RETRY_MS, again)
    })
  }
  if (!isOver) again()
  return () => {
    isOver = true
    cancel()
  }
}
