import { resolve } from 'node:path'
import { OUTPUT_OPTION } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import { makePlan, resetData } from '../dev/plan.ts'
import { DevSession } from '../dev/session.ts'
import { pathFrom } from '../dev/words.ts'
import { renderSummary, suggestCommands } from '../dev/summary.ts'
import { EXIT } from '../exit-codes.ts'
import { printJson } from '../output.ts'

/** `raftway dev`: a whole local cluster in one command. */
export const DEV_COMMANDS = [
  defineCommand({
    usage: 'dev',
    summary: 'Run a whole local cluster: nodes, a gateway and a sample target, on loopback',
    examples: [
      ['raftway dev', 'Three nodes and a gateway; what was there before goes on'],
      ['raftway dev --nodes 1 --reset', 'One node, from nothing'],
      ['raftway dev --ports auto', 'On free ports, where the usual ones are taken'],
    ],
    positionals: {},
    options: {
      nodes: { type: 'number', describe: 'control-plane nodes; default 3, or what the data holds' },
      gateways: { type: 'number', describe: 'gateways; default 1, or what ran last time' },
      'data-dir': {
        type: 'string',
        default: '.raftway',
        describe: 'where everything keeps its data',
      },
      reset: { type: 'boolean', describe: 'throw away what an earlier run left' },
      ports: {
        type: 'string',
        choices: ['default', 'auto'],
        default: 'default',
        describe:
          'default: nodes 7400, 7410 …, gateways 8080, 8090 …, target 9000; auto: free ones',
      },
      ...OUTPUT_OPTION,
    },
    run: async (args, terminal) => {
      const stop = terminal.takeStop()
      const dataDir = pathFrom(terminal.cwd, resolve(terminal.cwd, args['data-dir']))
      if (args.reset === true) await resetData(dataDir)
      const { plan } = await makePlan({
        dataDir,
        nodes: args.nodes ?? null,
        gateways: args.gateways ?? null,
        ports: args.ports,
      })
      const session = new DevSession(plan, dataDir, { terminal, stop })
      try {
        terminal.say(`starting ${plan.nodes.length} nodes and ${plan.gateways.length} gateways …`)
        const state = await session.start()
        if (args.output === 'text') {
          terminal.out(renderSummary(state, terminal))
        } else {
          const pids = state.children.map(({ name, pid }) => ({ name, pid }))
          const commands = suggestCommands(state, terminal)
          printJson(terminal, { ...plan, leader: state.leader, dataDir, pids, commands })
        }
        if (!stop.aborted) {
          await new Promise<void>((done) => {
            stop.addEventListener('abort', () => done(), { once: true })
          })
        }
        return EXIT.ok
      } finally {
        if (stop.aborted) terminal.say('stopping …')
        await session.close()
      }
    },
  }),
]
