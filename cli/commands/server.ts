import {
  ELECTION_MS_DEFAULT,
  HEARTBEAT_MS_DEFAULT,
  REMOVE_DEAD_MS_MAX,
  REMOVE_DEAD_MS_MIN,
  REMOVE_DEAD_VOTERS_DEFAULT,
  REVISION_BUMP,
  TICK_MS_DEFAULT,
} from '../../shared/limits.ts'
import { SILENT } from '../../shared/logger.ts'
import { OUTPUT_OPTION } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failures.ts'
import { offline } from '../offline.ts'
import { printJson } from '../output.ts'
import { CONFIRMATION, explainRecovery, isTyped, tellRecovery } from '../recovery.ts'
import { readByteSize } from '../start/byte-size.ts'
import { boundHeap } from '../start/heap.ts'

import { readDuration } from '../start/duration.ts'
import { nameOfHost } from '../start/host-name.ts'
import { hostPortText, readHostPort } from '../start/host-port.ts'
import { LOG_OPTION, processLogger } from '../start/log.ts'
import { readSealKeyOption, SEAL_KEY_OPTION } from '../start/seal-key.ts'
import { runUntilStopped } from '../start/run-until-stopped.ts'
import { readTlsOptions, TLS_OPTIONS } from '../start/tls-options.ts'

const START = defineCommand({
  usage: 'server start',
  summary: 'Run a control-plane node',
  examples: [
    ['raftway server start', 'A cluster of one, which others can join later'],
    [
      'raftway server start --name n1 --peer 10.0.0.1:7401 --join 10.0.0.1:7401,10.0.0.2:7401,10.0.0.3:7401 --expect 3',
      'The same line on three machines, each with its own name and address, forms a cluster of three',
    ],
  ],
  positionals: {},
  options: {
    name: { type: 'string', describe: 'name of the node; default the host name' },
    'data-dir': {
      type: 'string',
      default: './raftway-data',
      describe: 'where it keeps its state',
    },
    api: { type: 'string', default: '127.0.0.1:7400', describe: 'HOST:PORT of the HTTP API' },
    peer: { type: 'string', default: '127.0.0.1:7401', describe: 'HOST:PORT for other nodes' },
    join: {
      type: 'string',
      default: '',
      describe:
        'peers of a cluster or fresh nodes, separated by commas: HOST:PORT (all addresses of a name) or srv+NAME',
    },
    expect: {
      type: 'number',
      describe:
        'form a cluster once this many fresh nodes see each other; more than half of the join list',
    },
    'advertise-api': { type: 'string', describe: 'URL that others reach the API by' },
    'advertise-peer': {
      type: 'string',
      describe: 'HOST:PORT that others reach the peer port by',
    },
    auth: {
      type: 'string',
      choices: ['on', 'off'],
      describe: 'whether calls need a token; default on, and off where only this machine gets in',
    },
    insecure: { type: 'boolean', describe: 'run in ways that are not safe in a network' },
    ...SEAL_KEY_OPTION,
    'open-metrics': { type: 'boolean', describe: '/metrics needs no token' },
    ...TLS_OPTIONS,
    'dns-server': {
      type: 'string',
      describe: 'HOST:PORT of a DNS server for names of the join list and of peers',
    },
    'remove-dead-after': {
      type: 'string',
      describe: 'take members out that were silent this long, such as 24h; default never',
    },
    'remove-dead-min': {
      type: 'number',
      default: REMOVE_DEAD_VOTERS_DEFAULT,
      describe: 'voters that stay whatever --remove-dead-after says',
    },
    'tick-ms': { type: 'number', default: TICK_MS_DEFAULT, describe: 'how often time moves on' },
    'heartbeat-ms': {
      type: 'number',
      default: HEARTBEAT_MS_DEFAULT,
      describe: 'how often a leader is heard',
    },
    'election-ms': {
      type: 'number',
      default: ELECTION_MS_DEFAULT,
      describe: 'shortest silence before an election; the longest is twice that',
    },
    'heal-corrupt': {
      type: 'string',
      choices: ['on', 'off'],
      default: 'on',
      describe:
        'whether a node whose data is damaged keeps it aside and asks its cluster for a new copy',
    },
    'disk-reserve': {
      type: 'string',
      default: '64MiB',
      describe: 'free space that the node keeps: below it no new writes are taken',
    },
    'scrub-rate': {
      type: 'string',
      default: '2MiB',
      describe: 'what is stored is read again so many bytes a second, to find damage; 0: never',
    },
    ...LOG_OPTION,
  },
  run: async (args, terminal) => {
    const name = args.name ?? nameOfHost()
    const logger = processLogger(args['log-level'], { node: name })
    const join = splitList(args.join)
    for (const entry of join) readJoinEntry(entry)
    const advertisePeer = args['advertise-peer'] ?? null
    const options = {
      name,
      dataDir: args['data-dir'],
      api: readHostPort('--api', args.api),
      peer: readHostPort('--peer', args.peer),
      join,
      expect: readExpect(args.expect, join),
      advertiseApi: args['advertise-api'] ?? null,
      advertisePeer:
        advertisePeer === null
          ? null
          : hostPortText(readHostPort('--advertise-peer', advertisePeer)),
      auth: args.auth ?? null,
      insecure: args.insecure === true,
      openMetrics: args['open-metrics'] === true,
      ...(await readTlsOptions(args)),
      dnsServer:
        args['dns-server'] === undefined
          ? null
          : hostPortText(readHostPort('--dns-server', args['dns-server'])),
      removeDeadAfterMs: readRemoveDead(args['remove-dead-after']),
      removeDeadMin: args['remove-dead-min'],
      tickMs: args['tick-ms'],
      heartbeatMs: args['heartbeat-ms'],
      electionMs: args['election-ms'],
      healCorrupt: args['heal-corrupt'] === 'on',
      scrubBytesPerSecond: readByteSize('--scrub-rate', args['scrub-rate']),
      diskReserveBytes: readByteSize('--disk-reserve', args['disk-reserve']),
      logger,
      sealKeys: await readSealKeyOption(args['seal-key'], terminal.env),
      announceToken: (token: string) => terminal.out(`bootstrap admin token: ${token}\n`),
    }
    const { startServer } = await import('../../control-plane/main.ts')
    return runUntilStopped(terminal, logger, async () => {
      const server = await startServer(options)
      logger.info({ api: server.apiUrl, peer: server.peer }, 'listening')
      boundHeap()
      // A failure to form is heard through `ended`.
      server.formed.then(
        () => logger.info({ api: server.apiUrl }, 'part of a cluster'),
        () => {},
      )
      // Without files to read again a hang-up means what it always does. `reload` never rejects.
      if (options.apiCert !== null) terminal.onHangUp(() => void server.reload())
      return server
    })
  },
})

const RECOVER = defineCommand({
  usage: 'server recover',
  summary: 'Make a cluster of one from a node whose cluster has lost its majority, for good',
  examples: [
    [
      'raftway server recover --force-new-cluster',
      'Explains what may be lost, and asks; the node must not run',
    ],
  ],
  positionals: {},
  options: {
    'data-dir': {
      type: 'string',
      default: './raftway-data',
      describe: 'of the node that survived',
    },
    'force-new-cluster': {
      type: 'boolean',
      default: false,
      describe: 'yes, make a new cluster of what this node has',
    },
    yes: { type: 'boolean', default: false, describe: 'do not ask' },
    'revision-floor': {
      type: 'number',
      describe: `the revision to begin at; default ${REVISION_BUMP} above the log`,
    },
    ...OUTPUT_OPTION,
  },
  run: async (args, terminal) => {
    if (!args['force-new-cluster']) {
      throw new UsageError('--force-new-cluster must be given: there is no other way to recover')
    }
    const { forceNewCluster } = await import('../../control-plane/offline.ts')
    const { survivor, refounded } = await offline(() =>
      forceNewCluster({
        dataDir: args['data-dir'],
        revision: args['revision-floor'] ?? null,
        nowMs: Date.now(),
        logger: SILENT,
        confirm: async (found) => {
          terminal.say(explainRecovery(found))
          return args.yes || (await isTyped(terminal, CONFIRMATION))
        },
      }),
    )
    if (refounded === null) {
      terminal.say('not confirmed: nothing was changed')
      return EXIT.error
    }
    if (args.output === 'json') printJson(terminal, { ...refounded, from: survivor })
    else terminal.out(tellRecovery(survivor, refounded))
    return EXIT.ok
  },
})

/** `raftway server …`: a control-plane node. */
export const SERVER_COMMANDS = [START, RECOVER]

/** A name that is looked up as a service carries no port. */
function readJoinEntry(entry: string): void {
  if (!/^(srv\+[^:\s/]+|_[^:\s/]+)$/.test(entry)) readHostPort('--join', entry)
}

function readRemoveDead(text: string | undefined): number | null {
  if (text === undefined) return null
  const ms = readDuration('--remove-dead-after', text)
  if (ms >= REMOVE_DEAD_MS_MIN && ms <= REMOVE_DEAD_MS_MAX) return ms
  throw new UsageError('--remove-dead-after must be between 1m and 30d')
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** Two sets of founders of one list must share a node, or two clusters could form by accident. */
function readExpect(expect: number | undefined, join: readonly string[]): number | null {
  if (expect === undefined) return null
  const listed = new Set(join).size
  if (2 * expect > listed) return expect
  throw new UsageError(
    `--expect ${expect} is at most half of the ${listed} addresses of --join: two clusters could form by accident; ` +
      `expect ${Math.floor(listed / 2) + 1} or more`,
  )
}
