import type { X509Certificate } from 'node:crypto'
import type { Request, Response } from 'express'
import { fingerprintOf } from '../../shared/certificate.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type { Caller } from '../access/caller.ts'
import { sendAnswer } from './answer.ts'
import type { Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Query } from './query.ts'
import { runOnLeader } from './writes.ts'

/** Where certificates come from, as the API sees it. */
export type CertificateDesk = {
  readonly authority: X509Certificate
  /** On the leader: what the body asks for, by the right of the caller. INVALID_REQUEST, FORBIDDEN, TOKEN_USED_UP. */
  enrol(body: unknown, caller: Caller): Promise<Readonly<Record<string, unknown>>>
}

/** The authority's certificate is for everybody; a certificate is for whoever has a token or an older certificate. */
export function enrolmentCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/authority',
      methods: {
        get: { need: 'open', handle: (request, response) => getAuthority(api, request, response) },
      },
    },
    {
      path: '/v1/enrolments',
      methods: {
        post: {
          need: { right: 'enrol' },
          handle: (request, response) => postEnrolment(api, request, response),
        },
      },
    },
  ]
}

function getAuthority(api: ApiContext, request: Request, response: Response): void {
  new Query(request.url, []).finish()
  const { authority } = deskOf(api)
  const body = { certificate: authority.toString(), fingerprint: fingerprintOf(authority.raw) }
  sendAnswer(response, { status: 200, revision: api.plane.state.revision, body })
}

async function postEnrolment(api: ApiContext, request: Request, response: Response): Promise<void> {
  new Query(request.url, []).finish()
  const { caller } = api.gate.admitted(request)
  const answer = await runOnLeader(api, request, async (body) => {
    const enrolled = await deskOf(api).enrol(body, caller)
    return { status: 201, revision: api.plane.state.revision, body: enrolled }
  })
  sendAnswer(response, answer)
}

function deskOf({ desk, plane }: ApiContext): CertificateDesk {
  if (desk !== null) return desk
  const detail = `${plane.self.name} runs without TLS and has no cluster authority.`
  throw new RaftwayError('CERTIFICATE_MISSING', detail)
}
