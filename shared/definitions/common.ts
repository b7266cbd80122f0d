import { z } from 'zod'
import { isNetwork } from '../addresses/networks.ts'
import {
  HOST_CHARS_MAX,
  LABEL_CHARS_MAX,
  LABELS_MAX,
  METHODS_PER_ROUTE_MAX,
  NAME_CHARS_MAX,
  NETWORKS_PER_LIST_MAX,
  ROLE_CHARS_MAX,
  TIMEOUT_MS_MAX,
} from '../limits.ts'

/** A definition's name: lower-case letters, digits, `.` and `-`, as DNS has them. */
export const nameSchema = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/,
    `must be 1 to ${NAME_CHARS_MAX} of a-z, 0-9, "." and "-", starting and ending with a letter or digit`,
  )

const LABEL = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
const HOST = new RegExp(`^(\\*?\\.)?${LABEL}(\\.${LABEL})*$`)

/** A host as people write it in a definition. */
export const hostSchema = z
  .string()
  .max(HOST_CHARS_MAX)
  .regex(
    HOST,
    'must be a host name, ".x" for x and everything below, or "*.x" for only below; no port',
  )

const labelSchema = z
  .string()
  .max(LABEL_CHARS_MAX)
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$/,
    'must be letters, digits, ".", "_", "/" and "-"',
  )

export const labelsSchema = z
  .record(labelSchema, z.string().max(LABEL_CHARS_MAX))
  .refine(
    (labels) => Object.keys(labels).length <= LABELS_MAX,
    `at most ${LABELS_MAX} labels (LABELS_MAX)`,
  )

export const millisecondsSchema = z.int().min(1).max(TIMEOUT_MS_MAX)

export const methodsSchema = z
  .array(
    z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Z-]{1,32}$/, 'must be a method in upper case, such as GET'),
  )
  .min(1)
  .max(METHODS_PER_ROUTE_MAX)

/** A moment in UTC. */
export const momentSchema = z.iso.datetime({
  error: 'must be a time in UTC, such as 2030-01-31T12:00:00Z',
})

/** What a caller is, for those who ask for it. */
export const roleSchema = z
  .string()
  .max(ROLE_CHARS_MAX)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?$/, 'must be letters, digits and . _ : / -')

/** Addresses, and networks in CIDR notation. */
export const networksSchema = z
  .array(
    z
      .string()
      .max(64)
      .refine(isNetwork, 'must be an address, or a network such as 10.0.0.0/8 or 2001:db8::/32'),
  )
  .min(1)
  .max(NETWORKS_PER_LIST_MAX)
