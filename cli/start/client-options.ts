import type { ClientOptions } from '../../gateway/options.ts'
import {
  CLIENT_BODY_RATE_MIN,
  CLIENT_CONNECTIONS_MAX,
  CLIENT_CONNECTIONS_PER_ADDRESS_MAX,
  CLIENT_HEAD_MS_MAX,
  CLIENT_IDLE_MS_MAX,
  CLIENT_KEEP_ALIVE_MS,
  CLIENT_REQUESTS_PER_CONNECTION_MAX,
  HEAD_BYTES_MAX,
  HEAD_FIELDS_MAX,
  TARGET_LINE_BYTES_MAX,
} from '../../shared/limits.ts'
import type { OptionSpecs } from '../command.ts'

/** What a client may cost a gateway. */
export const CLIENT_OPTIONS = {
  'client-head-ms': {
    type: 'number',
    default: CLIENT_HEAD_MS_MAX,
    describe: 'time for a whole request head; then 408',
  },
  'client-idle-ms': {
    type: 'number',
    default: CLIENT_IDLE_MS_MAX,
    describe: 'how long a client may send nothing of a body, or take nothing of an answer',
  },
  'client-body-rate': {
    type: 'number',
    default: CLIENT_BODY_RATE_MIN,
    describe: 'bytes of a body a second, over that time, below which it counts as nothing; 0: any',
  },
  'client-keep-alive-ms': {
    type: 'number',
    default: CLIENT_KEEP_ALIVE_MS,
    describe: 'how long a connection without a request stays open',
  },
  'client-requests': {
    type: 'number',
    default: CLIENT_REQUESTS_PER_CONNECTION_MAX,
    describe: 'requests on one connection',
  },
  'client-connections': {
    type: 'number',
    default: CLIENT_CONNECTIONS_MAX,
    describe: 'connections at a time, all workers together',
  },
  'client-address-connections': {
    type: 'number',
    default: CLIENT_CONNECTIONS_PER_ADDRESS_MAX,
    describe: 'connections at a time from one address to one worker',
  },
  'client-head-bytes': {
    type: 'number',
    default: HEAD_BYTES_MAX,
    describe: 'largest request head; then 431',
  },
  'client-head-fields': {
    type: 'number',
    default: HEAD_FIELDS_MAX,
    describe: 'fields of one request head; then 431',
  },
  'client-target-bytes': {
    type: 'number',
    default: TARGET_LINE_BYTES_MAX,
    describe: 'longest request target; then 414',
  },
} as const satisfies OptionSpecs

/** What `CLIENT_OPTIONS` gives a command, as options of a gateway. */
export function readClientArguments(
  args: Readonly<Record<keyof typeof CLIENT_OPTIONS, number>>,
): ClientOptions {
  return {
    headMs: args['client-head-ms'],
    idleMs: args['client-idle-ms'],
    bodyRateMin: args['client-body-rate'],
    keepAliveMs: args['client-keep-alive-ms'],
    requestsMax: args['client-requests'],
    connectionsMax: args['client-connections'],
    connectionsPerAddressMax: args['client-address-connections'],
    headBytesMax: args['client-head-bytes'],
    headFieldsMax: args['client-head-fields'],
    targetBytesMax: args['client-target-bytes'],
  }
}
