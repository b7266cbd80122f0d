import { runCommandLine } from './run.ts'
import { followParent, ownTerminal } from './terminal.ts'

followParent()
process.exitCode = await runCommandLine(process.argv.slice(2), ownTerminal())
