import type { Definition, DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { parseDefinition } from '../../../shared/definitions/parse.ts'
import type {
  Operation,
  RestoredState,
  WriteCommand,
  WriteRequest,
} from '../../../control-plane/ports.ts'

/** A checked definition; fails the test on a sample that is not valid. */
function checked(input: unknown): DefinitionInput {
  const parsed = parseDefinition(input)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.value
}

export function upstream(name: string, port = 9001): DefinitionInput {
  return checked({
    kind: 'Upstream',
    name,
    spec: { targets: [{ url: `http://127.0.0.1:${port}` }] },
  })
}

/** An Api on its own path, so that no two of them collide; `to` names its Upstream, or it has its own. */
export function api(
  name: string,
  to: string | null = null,
  labels?: Record<string, string>,
): DefinitionInput {
  const target = to ?? { targets: [{ url: 'http://127.0.0.1:9000' }] }
  const spec = { routes: [{ path: `/${name}/` }], upstream: target }
  return checked(
    labels === undefined ? { kind: 'Api', name, spec } : { kind: 'Api', name, labels, spec },
  )
}

export function put(definition: DefinitionInput, ifRevision: number | null = null): Operation {
  return { op: 'put', definition, ifRevision }
}

export function del(
  kind: 'Api' | 'Upstream',
  name: string,
  ifRevision: number | null = null,
): Operation {
  return { op: 'delete', kind, name, ifRevision }
}

let keys = 0

/** A write with a key of its own unless one is given. */
export function write(
  operations: readonly Operation[],
  more: Partial<WriteCommand> = {},
): WriteCommand {
  return {
    type: 'write',
    key: `key-${++keys}`,
    fingerprint: 'fingerprint',
    atMs: 1_000,
    author: 'ann',
    message: null,
    operations,
    ifConfigRevision: null,
    ...more,
  }
}

export function request(
  action: WriteRequest['action'],
  more: Partial<WriteRequest> = {},
): WriteRequest {
  return {
    key: null,
    author: 'ann',
    message: null,
    action,
    ifConfigRevision: null,
    dryRun: false,
    ...more,
  }
}

/** What a store would hold of a state, from its parts. */
export function restoredOf(
  state: { revision: number; hash: string; compactedRevision: number; list(): Definition[] },
  more: Partial<RestoredState> = {},
): RestoredState {
  return {
    appliedIndex: state.revision,
    appliedTerm: 1,
    confState: {
      voters: [1],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    },
    revision: state.revision,
    hash: state.hash,
    compactedRevision: state.compactedRevision,
    members: [],
    access: null,
    idempotency: [],
    definitions: state.list(),
    ...more,
  }
}
