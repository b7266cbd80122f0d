import { z } from 'zod'
import { networksSchema } from '../definitions/common.ts'

/** Addresses and networks that a plugin lets in (`ip-allow`), or keeps out (`ip-deny`). */
export const ipListSchema = z.strictObject({
  networks: networksSchema.describe(
    'Addresses, and networks in CIDR notation: 10.0.0.0/8, 2001:db8::/32. What counts is the address of the client, as ' +
      'trusted proxies tell it.',
  ),
})

export type IpListOptions = z.infer<typeof ipListSchema>
