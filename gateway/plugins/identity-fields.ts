import type { AuthenticationOptions } from '../../shared/plugins/authentication.ts'
import type { Entitlements } from '../consumers/consumer.ts'
import type { Identity } from '../consumers/identity.ts'
import type { RequestContext } from '../request-context.ts'
import { claimAt, type Claims } from './claims.ts'
import { addField, dropFields } from './edits.ts'

/** How a target is told who is asking. */
type IdentityFields = {
  /** Takes the same fields of the client away: they would be forged. */
  readonly strip: (context: RequestContext) => void
  readonly tell: (context: RequestContext, identity: Identity, entitlements: Entitlements) => void
}

/** The fields of the options, and the usual ones where they name no other. */
export function identityFields(headers: AuthenticationOptions['headers']): IdentityFields {
  const consumerField = headers?.consumer ?? 'X-Consumer-Name'
  const credentialField = headers?.credential ?? 'X-Consumer-Credential'
  const rolesField = headers?.roles ?? 'X-Consumer-Roles'
  const labels = Object.entries(headers?.labels ?? {})
  const metadata = Object.entries(headers?.metadata ?? {})
  const claims = Object.entries(headers?.claims ?? {})
  const more = [...labels, ...metadata, ...claims].map(([, name]) => name)
  const names = [consumerField, credentialField, rolesField, ...more].map((name) =>
    name.toLowerCase(),
  )
  return {
    strip: (context) => dropFields(context, names),
    tell: (context, { consumer, credential, claims: given }, { roles }) => {
      if (consumer !== null) context.added += `${consumerField}: ${consumer.name}\r\n`
      if (credential !== null) addField(context, credentialField, credential)
      if (roles.size > 0) addField(context, rolesField, [...roles].join(','))
      for (const [label, name] of labels) tellOne(context, name, consumer?.labels[label])
      for (const [key, name] of metadata) tellOne(context, name, consumer?.spec.metadata?.[key])
      for (const [claim, name] of claims) tellOne(context, name, claimText(given, claim))
    },
  }
}

function tellOne(context: RequestContext, name: string, value: string | undefined): void {
  if (value !== undefined) addField(context, name, value)
}

/** One claim as text: what is no text as JSON; undefined when there is none. */
function claimText(claims: Claims | null, name: string): string | undefined {
  const value = claims === null ? undefined : claimAt(claims, name)
  return typeof value === 'string' ? value : JSON.stringify(value)
}
