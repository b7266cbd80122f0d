import { basename } from 'node:path'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failures.ts'

const BASH = `# raftway completion for bash: put this line into ~/.bashrc
#   source <(raftway completion bash)
_raftway_completions() {
  local IFS=$'\\n'
  COMPREPLY=($(raftway --get-completions "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _raftway_completions raftway
`

const ZSH = `#compdef raftway
# raftway completion for zsh: put this line into ~/.zshrc, after compinit
#   source <(raftway completion zsh)
_raftway_completions() {
  local -a found
  found=("\${(@f)$(raftway --get-completions "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then
    compadd -a found
  else
    _files
  fi
}
compdef _raftway_completions raftway
`

/** `raftway completion`: a script for a shell. It asks this command for what may follow. */
export const COMPLETION_COMMANDS = [
  defineCommand({
    usage: 'completion [shell]',
    summary: 'Print a completion script for bash or zsh',
    examples: [
      ['source <(raftway completion bash)', 'Complete commands and options in this shell'],
    ],
    positionals: { shell: { describe: 'bash or zsh; default what SHELL says' } },
    options: {},
    run: async (args, terminal) => {
      const shell = args.shell ?? basename(terminal.env['SHELL'] ?? 'bash')
      if (shell !== 'bash' && shell !== 'zsh') {
        throw new UsageError(`there is no completion for "${shell}", only for bash and zsh`)
      }
      terminal.out(shell === 'bash' ? BASH : ZSH)
      return EXIT.ok
    },
  }),
]
