import type { NetworkOptions } from '../../gateway/options.ts'
import type { OptionSpecs } from '../command.ts'

/** Who stands in front of a gateway, and which ports it may open beside its own. */
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
  'stream-ports': {
    type: 'string',
    describe: 'ports that Streams may have, such as 8443,5000-5999; default none',
  },
  'stream-host': {
    type: 'string',
    default: '0.0.0.0',
    describe: 'address on which ports of Streams are opened',
  },
} as const satisfies OptionSpecs

/** What `NETWORK_OPTIONS` gives a command. */
type NetworkArguments = {
  readonly 'trusted-proxies': string | undefined
  readonly 'client-address-from': 'x-forwarded-for' | 'forwarded'
  readonly 'proxy-protocol': 'off' | 'accept' | 'require'
  readonly 'stream-ports': string | undefined
  readonly 'stream-host': string
}

/** The same as options of a gateway. */
export function readNetworkArguments(args: NetworkArguments): NetworkOptions {
  return {
    trustedProxies: listOf(args['trusted-proxies']),
    clientAddressFrom: args['client-address-from'],
    proxyProtocol: args['proxy-protocol'],
    streamPorts: listOf(args['stream-ports']),
    streamHost: args['stream-host'],
  }
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap((item) => (item.trim() === '' ? [] : [item.trim()]))
}
