import type { AclOptions, AclRule } from '../../shared/plugins/acl.ts'
import { errorReply } from '../reply.ts'
import type { Check } from './plugin.ts'

const NOT_FOR_IT = errorReply('ACCESS_DENIED', 'this is not for callers like this one')

type Labels = Readonly<Record<string, string>>

const NO_LABELS: Labels = {}

/** Lets callers in, or keeps them out, by the labels of their Consumer; whoever is no Consumer has none. */
export function acl({ allow, deny = [] }: AclOptions): Check {
  const allowed = allow === undefined ? null : allow.map(fitOf)
  const denied = deny.map(fitOf)
  return ({ identity }) => {
    const labels = identity?.consumer?.labels ?? NO_LABELS
    if (fitsAny(denied, labels)) return NOT_FOR_IT
    return allowed === null || fitsAny(allowed, labels) ? undefined : NOT_FOR_IT
  }
}

type Fit = (labels: Labels) => boolean

function fitOf({ label, values }: AclRule): Fit {
  const wanted = values === undefined ? null : new Set(values)
  return (labels) => {
    if (!Object.hasOwn(labels, label)) return false
    return wanted === null || wanted.has(labels[label] ?? '')
  }
}

function fitsAny(fits: readonly Fit[], labels: Labels): boolean {
  for (const fit of fits) if (fit(labels)) return true
  return false
}
