import {
  DRAIN_MS_DEFAULT,
  LIMIT_COUNTERS_DEFAULT,
  ROUTE_DRAIN_MS_DEFAULT,
} from '../../shared/limits.ts'
import { defineCommand } from '../command.ts'
import { UsageError } from '../failures.ts'
import {
  ACCESS_LOG_OPTIONS,
  hasLogFile,
  readAccessLogOptions,
} from '../start/access-log-options.ts'
import { CLIENT_OPTIONS, readClientArguments } from '../start/client-options.ts'
import { nameOfHost } from '../start/host-name.ts'
import { LOG_OPTION, processLogger } from '../start/log.ts'
import { NETWORK_OPTIONS, readNetworkArguments } from '../start/network-options.ts'
import { readSealKeyOption, SEAL_KEY_OPTION } from '../start/seal-key.ts'
import { runUntilStopped } from '../start/run-until-stopped.ts'
import { textOf } from '../trust.ts'
import { readToken, TOKEN_OPTIONS } from '../token-option.ts'

/** `raftway gateway start`: a gateway in this process. */
export const GATEWAY_COMMANDS = [
  defineCommand({
    usage: 'gateway start',
    summary: 'Run a gateway',
    examples: [
      [
        'raftway gateway start --name gw1',
        'Follow the control plane on this machine, serve port 8080',
      ],
      [
        'raftway gateway start --name edge1 --control http://10.0.0.1:7400,http://10.0.0.2:7400 --http 0.0.0.0:80',
        'Follow either of two nodes',
      ],
      [
        'raftway gateway start --name gw1 --control http://10.0.0.1:7400 --token @gw1.token',
        'With the token that "raftway token create --role gateway" printed',
      ],
      ['raftway gateway start --definitions ./definitions', 'Serve files, without a control plane'],
    ],
    positionals: {},
    options: {
      name: { type: 'string', describe: 'name of the gateway; default the host name' },
      control: {
        type: 'string',
        describe: 'API urls of control-plane nodes; default http://127.0.0.1:7400',
      },
      ...TOKEN_OPTIONS,
      ca: {
        type: 'string',
        describe:
          'PEM file: whom to believe over https; default whom the token names, or the system’s',
      },
      http: { type: 'string', default: '0.0.0.0:8080', describe: 'HOST:PORT for traffic' },
      https: {
        type: 'string',
        describe: 'HOST:PORT for TLS traffic, with what Certificate definitions hold; default none',
      },
      ...SEAL_KEY_OPTION,
      status: {
        type: 'string',
        default: '127.0.0.1:8081',
        describe: 'HOST:PORT of the status port',
      },
      'data-dir': {
        type: 'string',
        default: './raftway-gateway-data',
        describe: 'where it keeps its last good config',
      },
      workers: { type: 'number', describe: 'threads that serve; default one a core' },
      label: {
        type: 'list',
        describe: 'KEY=VALUE that nodes show beside the name; may be repeated',
      },
      definitions: {
        type: 'string',
        describe: 'serve the definition files in this folder, and no control plane at all',
      },
      'drain-ms': {
        type: 'number',
        default: DRAIN_MS_DEFAULT,
        describe: 'how long a stop waits for requests under way',
      },
      'route-drain-ms': {
        type: 'number',
        default: ROUTE_DRAIN_MS_DEFAULT,
        describe: 'how long requests and tunnels may go on after their route is removed',
      },
      'share-port': {
        type: 'boolean',
        default: false,
        describe: 'start beside a gateway that listens on the same port, to take over from it',
      },
      metrics: {
        type: 'string',
        choices: ['full', 'totals', 'off'],
        default: 'full',
        describe:
          'what /metrics counts: routes and upstreams by name too (full), totals, or nothing',
      },
      'shed-late-ms': {
        type: 'number',
        default: 0,
        describe:
          'refuse more and more requests (503) while a worker is later than this, those of the lowest priority first; default never',
      },
      'limit-counters': {
        type: 'number',
        default: LIMIT_COUNTERS_DEFAULT,
        describe: 'callers whose requests can be counted at a time, for all rate limits together',
      },
      otlp: {
        type: 'string',
        describe:
          'url of an OpenTelemetry collector that takes spans, such as http://127.0.0.1:4318',
      },
      'otlp-sample': {
        type: 'number',
        default: 1,
        describe: 'share of the traces that begin here and are recorded, 0 to 1',
      },
      ...NETWORK_OPTIONS,
      ...CLIENT_OPTIONS,
      ...ACCESS_LOG_OPTIONS,
      ...LOG_OPTION,
    },
    run: async (args, terminal) => {
      const name = args.name ?? nameOfHost()
      const definitionsDir = args.definitions ?? null
      const control = args.control ?? (definitionsDir === null ? 'http://127.0.0.1:7400' : '')
      const logger = processLogger(args['log-level'], { gateway: name })
      const options = {
        name,
        controlUrls: control.split(',').flatMap((url) => (url.trim() === '' ? [] : [url.trim()])),
        token: await readToken(args),
        ca: args.ca === undefined ? null : await textOf(args.ca),
        http: args.http,
        https: args.https ?? null,
        sealKeys: await readSealKeyOption(args['seal-key'], terminal.env),
        status: args.status,
        dataDir: args['data-dir'],
        workers: args.workers,
        labels: readLabels(args.label ?? []),
        definitionsDir,
        drainMs: args['drain-ms'],
        shedLateMs: args['shed-late-ms'],
        routeDrainMs: args['route-drain-ms'],
        sharesPort: args['share-port'],
        metrics: args.metrics,
        limitCounters: args['limit-counters'],
        otlp: args.otlp ?? null,
        otlpSample: args['otlp-sample'],
        records: readAccessLogOptions(args),
        network: readNetworkArguments(args),
        clients: readClientArguments(args),
      }
      const { startGateway } = await import('../../gateway/main.ts')
      return runUntilStopped(terminal, logger, async () => {
        const gateway = await startGateway(options, logger)
        if (hasLogFile(args)) terminal.onHangUp(() => gateway.reopenRecords())
        const { httpPort, httpsPort, statusPort } = gateway
        logger.info({ httpPort, httpsPort, statusPort }, 'listening')
        return gateway
      })
    },
  }),
]

function readLabels(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const parts = /^([^=]+)=(.*)$/.exec(text)
      if (parts === null) throw new UsageError(`--label must be KEY=VALUE, not "${text}"`)
      return [parts[1] ?? '', parts[2] ?? '']
    }),
  )
}
