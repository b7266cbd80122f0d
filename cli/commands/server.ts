import { ELECTION_MS_DEFAULT, HEARTBEAT_MS_DEFAULT, TICK_MS_DEFAULT } from '../../shared/limits.ts'
import { defineCommand } from '../command.ts'
import { nameOfHost } from '../start/host-name.ts'
import { hostPortText, readHostPort } from '../start/host-port.ts'
import { LOG_OPTION, processLogger } from '../start/log.ts'
import { runUntilStopped } from '../start/run-until-stopped.ts'

/** `raftway server start`: a control-plane node in this process. */
export const SERVER_COMMANDS = [
  defineCommand({
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
        describe: 'peer addresses of a cluster or of fresh nodes, separated by commas',
      },
      expect: {
        type: 'number',
        describe: 'form a cluster once this many fresh nodes see each other',
      },
      'advertise-api': { type: 'string', describe: 'URL that others reach the API by' },
      'advertise-peer': {
        type: 'string',
        describe: 'HOST:PORT that others reach the peer port by',
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
      ...LOG_OPTION,
    },
    run: async (args, terminal) => {
      const name = args.name ?? nameOfHost()
      const logger = processLogger(args['log-level'], { node: name })
      const join = splitList(args.join)
      for (const peer of join) readHostPort('--join', peer)
      const advertisePeer = args['advertise-peer'] ?? null
      const options = {
        name,
        dataDir: args['data-dir'],
        api: readHostPort('--api', args.api),
        peer: readHostPort('--peer', args.peer),
        join,
        expect: args.expect ?? null,
        advertiseApi: args['advertise-api'] ?? null,
        advertisePeer:
          advertisePeer === null
            ? null
            : hostPortText(readHostPort('--advertise-peer', advertisePeer)),
        tickMs: args['tick-ms'],
        heartbeatMs: args['heartbeat-ms'],
        electionMs: args['election-ms'],
        logger,
      }
      const { startServer } = await import('../../control-plane/main.ts')
      return runUntilStopped(terminal, logger, async () => {
        const server = await startServer(options)
        logger.info({ api: server.apiUrl, peer: server.peer }, 'listening')
        // A failure to form is heard through `ended`.
        server.formed.then(
          () => logger.info({ api: server.apiUrl }, 'part of a cluster'),
          () => {},
        )
        return server
      })
    },
  }),
]

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
