import { SILENT } from '../../shared/logger.ts'
import { REVISION_BUMP } from '../../shared/limits.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failures.ts'
import { offline } from '../offline.ts'
import { printJson } from '../output.ts'
import { readFounders } from '../snapshot/founders.ts'
import { backupJson, renderBackup } from '../snapshot/render.ts'
import { saveBackup } from '../snapshot/save.ts'
import { nameOfHost } from '../start/host-name.ts'
import { hostPortText, readHostPort } from '../start/host-port.ts'

const FILE = { describe: 'the backup', required: true } as const

const SAVE = defineCommand({
  usage: 'snapshot save <file>',
  summary: 'Save everything the cluster holds in one checked file',
  examples: [
    ['raftway snapshot save raftway.backup', 'From the first node that answers'],
    [
      'raftway snapshot save raftway.backup --stale --control http://10.0.0.2:7400',
      'What this node has, although no leader is known',
    ],
  ],
  positionals: { file: FILE },
  options: {
    stale: {
      type: 'boolean',
      default: false,
      describe: 'take what the node has, without asking whether it is the newest',
    },
    ...CONTROL_OPTION,
    ...OUTPUT_OPTION,
  },
  run: async (args, terminal) => {
    const { BackupCheck } = await import('../../control-plane/offline.ts')
    const contents = await withClient(args, terminal, (client) =>
      offline(async () => {
        const query = { consistency: args.stale ? 'stale' : undefined }
        const pieces = await client.openStream('/v1/snapshot', query)
        return saveBackup(args.file, pieces, new BackupCheck())
      }),
    )
    const { header, bytes } = contents
    if (args.output === 'json') printJson(terminal, { file: args.file, ...backupJson(contents) })
    else terminal.out(`${args.file}: revision ${header.revision}, ${bytes} bytes, checked\n`)
    return EXIT.ok
  },
})

const INSPECT = defineCommand({
  usage: 'snapshot inspect <file>',
  summary: 'Check every byte of a backup and say what is in it',
  examples: [['raftway snapshot inspect raftway.backup', 'Exit 8 when it is damaged, and where']],
  positionals: { file: FILE },
  options: OUTPUT_OPTION,
  run: async (args, terminal) => {
    const { inspectBackup } = await import('../../control-plane/offline.ts')
    const contents = await offline(() => inspectBackup(args.file))
    if (args.output === 'json') printJson(terminal, backupJson(contents))
    else terminal.out(renderBackup(contents))
    return EXIT.ok
  },
})

const RESTORE = defineCommand({
  usage: 'snapshot restore <file>',
  summary: 'Make the data directory of a new cluster from a backup; no node may run on it',
  examples: [
    [
      'raftway snapshot restore raftway.backup',
      'A cluster of one: start the node, then let others --join it',
    ],
    [
      'raftway snapshot restore raftway.backup --data-dir ./n1 --name n1 --members n1=10.0.0.1:7401,n2=10.0.0.2:7401,n3=10.0.0.3:7401',
      'One of three founders; it prints the --cluster-id that the other two are restored with',
    ],
  ],
  positionals: { file: FILE },
  options: {
    'data-dir': {
      type: 'string',
      default: './raftway-data',
      describe: 'where; must not hold data',
    },
    name: { type: 'string', describe: 'name of the node that starts on it; default the host name' },
    'advertise-peer': {
      type: 'string',
      default: '127.0.0.1:7401',
      describe: 'HOST:PORT of its peer port, for a cluster of one',
    },
    'advertise-api': {
      type: 'string',
      default: '',
      describe: 'URL of its API, for a cluster of one; default: it tells when it starts',
    },
    members: {
      type: 'string',
      default: '',
      describe: 'every founder as NAME=HOST:PORT, separated by commas',
    },
    'cluster-id': {
      type: 'string',
      describe: 'id of the new cluster, as the first restore printed it; default: a new one',
    },
    'revision-floor': {
      type: 'number',
      describe: `the revision to begin at; default ${REVISION_BUMP} above the backup`,
    },
    ...OUTPUT_OPTION,
  },
  run: async (args, terminal) => {
    const clusterIdGiven = args['cluster-id'] ?? null
    if (clusterIdGiven !== null && !/^[0-9a-f]{32}$/.test(clusterIdGiven)) {
      throw new UsageError('--cluster-id must be 32 hex digits, as a restore prints it')
    }
    const peer = hostPortText(readHostPort('--advertise-peer', args['advertise-peer']))
    const name = args.name ?? nameOfHost()
    const listed = readFounders(args.members)
    const founders = listed.length > 0 ? listed : [{ name, peer, api: args['advertise-api'] }]
    if (!founders.some((founder) => founder.name === name)) {
      throw new UsageError(`--members must name ${name}, which --name says this node is`)
    }
    const { newClusterId, restore } = await import('../../control-plane/offline.ts')
    const clusterId = clusterIdGiven ?? newClusterId()
    const { contents, refounded } = await offline(() =>
      restore({
        file: args.file,
        dataDir: args['data-dir'],
        name,
        founders,
        clusterId,
        revision: args['revision-floor'] ?? null,
        logger: SILENT,
      }),
    )
    const { revision, clusterId: from } = contents.header
    const others = founders.flatMap((founder) => (founder.name === name ? [] : [founder.name]))
    if (args.output === 'json') {
      printJson(terminal, { ...refounded, dataDir: args['data-dir'], from: backupJson(contents) })
    } else {
      terminal.out(`restored revision ${revision} of cluster ${from} into ${args['data-dir']}\n`)
      terminal.out(`new cluster ${refounded.clusterId}, beginning at ${refounded.revision}\n`)
    }
    if (others.length > 0 && clusterIdGiven === null) {
      const same = `the same file and members, and --cluster-id ${clusterId}`
      terminal.say(`restore ${others.join(', ')} too, with ${same}`)
    }
    return EXIT.ok
  },
})

/** `raftway snapshot …`: back up, check and restore. */
export const SNAPSHOT_COMMANDS = [SAVE, INSPECT, RESTORE]
