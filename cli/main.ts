import { followParent } from './parent.ts'
import { runCommandLine } from './run.ts'
import { ownTerminal } from './terminal.ts'

followParent()
process.exitCode = await runCommandLine(process.argv.slice(2), ownTerminal())
