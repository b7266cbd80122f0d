import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import type { Definition, DefinitionInput } from '../../shared/definitions/kinds.ts'
import { parseDefinition } from '../../shared/definitions/parse.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { sealDefinition } from '../access/seal-definition.ts'
import type { Answer } from './answer.ts'
import type { WritePlan } from './carry-out-write.ts'
import type { ApiContext } from './context.ts'
import { placed, sealingFailed } from './sealing.ts'

/** A change of one Consumer's credentials. */
export type ConsumerEdit = {
  readonly name: string
  /** What a repeat of the call is known by. Nothing secret: see `WriteRequest`. */
  readonly asked: Readonly<Record<string, unknown>> & { readonly call: string }
  readonly change: (spec: ConsumerSpec) => ConsumerSpec
  /** Whether what this attempt has made is what stands; left out where it makes nothing that nobody else knows. */
  readonly stands?: (spec: ConsumerSpec) => boolean
  /** Nothing is made, and so nothing secret told. */
  readonly isDry: boolean
  /** 201 where something is made. */
  readonly status: 200 | 201
  /** What the answer says beside whose credential it is. `secret`: only of what stands. */
  readonly tell: () => {
    readonly told: Readonly<Record<string, unknown>>
    readonly secret?: Readonly<Record<string, string>>
  }
}

/**
 * The write of an edit. A call that makes a secret answers with it once: where an earlier attempt under the same
 * Idempotency-Key has made another one, nobody knows that any more, and the answer is SECRET_SHOWN_ONCE rather than a
 * secret that was never stored.
 */
export function planEdit(api: ApiContext, edit: ConsumerEdit): WritePlan {
  const { name, asked } = edit
  return {
    action: {
      type: 'edit',
      kind: 'Consumer',
      name,
      asked,
      change: (standing) => changed(api, standing, edit),
    },
    message: asked.call,
    ifConfigRevision: null,
    hiddenPath: 'operations.0',
    answer({ revision }): Answer {
      const { told, secret } = edit.tell()
      const about = { kind: 'Consumer', name, revision, ...told }
      if (edit.isDry) return { status: edit.status, revision, body: about }
      const standing = api.plane.state.get('Consumer', name)
      const spec = standing?.kind === 'Consumer' ? standing.spec : {}
      if (edit.stands?.(spec) === false) {
        const detail = `An earlier attempt of this call has changed ${name}; what it made was shown once, if at all.`
        throw new RaftwayError('SECRET_SHOWN_ONCE', detail, { extra: { revision } })
      }
      return { status: edit.status, revision, body: { ...about, ...secret } }
    },
  }
}

function changed(
  api: ApiContext,
  standing: Definition | undefined,
  edit: ConsumerEdit,
): DefinitionInput {
  if (standing?.kind !== 'Consumer')
    throw new RaftwayError('DEFINITION_NOT_FOUND', `There is no Consumer named ${edit.name}.`)
  const { kind, name, labels, spec } = standing
  const parsed = parseDefinition({
    kind,
    name,
    ...(labels === undefined ? {} : { labels }),
    spec: edit.change(spec),
  })
  if (!parsed.ok) {
    const detail = `Consumer ${name} would not be valid; nothing was changed.`
    throw new RaftwayError('INVALID_DEFINITION', detail, { issues: parsed.issues })
  }
  const sealed = sealDefinition(parsed.value, { keys: api.sealKeys, standing })
  if (sealed.ok) return sealed.definition
  throw sealingFailed(placed(sealed, ''), sealed.isKeyMissing)
}
