import type { NetworkOptions } from '../../gateway/options.ts'
import type { OptionSpecs } from '../command.ts'

/** Who stands in front of a gateway. */
export const NETWORK_OPTIONS = {
  'trusted-proxies': {
    type: 'string',
    describe: 'addresses and networks of proxies that are believed about their clients: CIDR,…',
  },
  'client-address-from': {
    type: 'string',
    choices: ['x-forwarded-for', 'forwarded'],
    default: 'x-forwarded-for',
    describe: 'the one field in which trusted proxies name a client',
  },
  'proxy-protocol': {
    type: 'string',
    choices: ['off', 'accept', 'require'],
    default: 'off',
    describe: 'PROXY headers (v1, v2) of trusted proxies on the HTTP port',
  },
} as const satisfies OptionSpecs

/** What `NETWORK_OPTIONS` gives a command. */
type NetworkArguments = {
  readonly 'trusted-proxies': string | undefined
  readonly 'client-address-from': 'x-forwarded-for' | 'forwarded'
  readonly 'proxy-protocol': 'off' | 'accept' | 'require'
}

/** The same as options of a gateway. */
export function readNetworkArguments(args: NetworkArguments): NetworkOptions {
  return {
    trustedProxies: listOf(args['trusted-proxies']),
    clientAddressFrom: args['client-address-from'],
    proxyProtocol: args['proxy-protocol'],
  }
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap((item) => (item.trim() === '' ? [] : [item.trim()]))
}
