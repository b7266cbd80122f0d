import type { Request, Response } from 'express'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { HOST_CHARS_MAX, NAME_CHARS_MAX } from '../../shared/limits.ts'
import { sendAnswer, type Answer } from './answer.ts'
import { pathName, type Call } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Envelope } from './envelope.ts'
import { Query } from './query.ts'
import { runOnLeader } from './writes.ts'

const OPERATE = { right: 'operate' } as const

/** Who the members are, who leads, and how that changes. */
export function clusterCalls(api: ApiContext): Call[] {
  return [
    {
      path: '/v1/cluster',
      methods: {
        get: {
          need: { right: 'discover' },
          handle: (request, response) => getCluster(api, request, response),
        },
      },
    },
    {
      path: '/v1/cluster/members',
      methods: {
        post: {
          need: OPERATE,
          handle: (request, response) => addMember(api, request, response),
        },
      },
    },
    {
      path: '/v1/cluster/members/{name}',
      methods: {
        delete: {
          need: OPERATE,
          handle: (request, response) => removeMember(api, request, response),
        },
      },
    },
    {
      path: '/v1/cluster/members/{name}/promote',
      methods: {
        post: {
          need: OPERATE,
          handle: (request, response) => promoteMember(api, request, response),
        },
      },
    },
    {
      path: '/v1/cluster/leader',
      methods: {
        post: {
          need: OPERATE,
          handle: (request, response) => transferLeadership(api, request, response),
        },
      },
    },
  ]
}

function getCluster(api: ApiContext, request: Request, response: Response): void {
  new Query(request.url, []).finish()
  const { members, revision, hash, ...status } = api.plane.status()
  const body = {
    ...status,
    revision,
    hash,
    members: members.map(({ name, role, state, api: url, peer, matchIndex, healthy, ...more }) => ({
      name,
      role,
      state,
      api: url,
      peer,
      matchIndex,
      healthy,
      ...more,
    })),
  }
  sendAnswer(response, { status: 200, revision, body })
}

/** A change that only a majority can make; without one the refusal says who is missing. */
async function changeCluster(
  api: ApiContext,
  request: Request,
  local: (body: unknown) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await runOnLeader(api, request, local)
  } catch (error) {
    if (!isRaftwayError(error, 'NO_LEADER', 'WRITE_UNCERTAIN', 'TIMEOUT')) throw error
    const voters = api.plane.status().members.filter(({ role }) => role === 'voter')
    const silent = voters.filter(({ healthy }) => !healthy).map(({ name }) => name)
    if ((voters.length - silent.length) * 2 > voters.length) throw error
    const detail =
      `${error.message} Members change by a majority of the ${voters.length} voters, and ${silent.join(' and ')} ` +
      'cannot be heard: bring back what can be. If a majority is lost for good, ' +
      '"raftway server recover --force-new-cluster" makes a new cluster of one node.'
    throw new RaftwayError(error.code, detail, { cause: error, extra: error.extra })
  }
}

async function addMember(api: ApiContext, request: Request, response: Response): Promise<void> {
  new Query(request.url, []).finish()
  const answer = await changeCluster(api, request, async (body) => {
    const envelope = new Envelope(body, ['peer'])
    const peer = envelope.requiredText('peer', HOST_CHARS_MAX + 6)
    if (peer !== '' && !/^(\[[0-9A-Fa-f:.%]+\]|[^\s:/?#@]+):\d{1,5}$/.test(peer)) {
      envelope.issue('peer', 'must be HOST:PORT')
    }
    envelope.finish('INVALID_REQUEST')
    const member = await api.plane.addMember(peer)
    return { status: 201, revision: api.plane.state.revision, body: { member } }
  })
  sendAnswer(response, answer)
}

async function removeMember(api: ApiContext, request: Request, response: Response): Promise<void> {
  new Query(request.url, []).finish()
  const name = pathName(request)
  const answer = await changeCluster(api, request, async (body) => {
    new Envelope(body, []).finish('INVALID_REQUEST')
    await api.plane.removeMember(name)
    return { status: 200, revision: api.plane.state.revision, body: { name } }
  })
  sendAnswer(response, answer)
}

async function promoteMember(api: ApiContext, request: Request, response: Response): Promise<void> {
  new Query(request.url, []).finish()
  const name = pathName(request)
  const answer = await changeCluster(api, request, async (body) => {
    new Envelope(body, []).finish('INVALID_REQUEST')
    await api.plane.promoteMember(name)
    return { status: 200, revision: api.plane.state.revision, body: { name } }
  })
  sendAnswer(response, answer)
}

async function transferLeadership(
  api: ApiContext,
  request: Request,
  response: Response,
): Promise<void> {
  new Query(request.url, []).finish()
  const answer = await changeCluster(api, request, async (body) => {
    const envelope = new Envelope(body, ['name'])
    const name = envelope.text('name', NAME_CHARS_MAX)
    envelope.finish('INVALID_REQUEST')
    const leader = await api.plane.transferLeadership(name)
    return { status: 200, revision: api.plane.state.revision, body: { leader } }
  })
  sendAnswer(response, answer)
}
