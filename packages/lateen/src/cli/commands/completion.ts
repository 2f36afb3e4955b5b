/** `lateen completion bash|zsh|fish`: scripts that ask `lateen __complete` for the next words. */
import { type Command, UserError } from "../command.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

const BASH = `# bash completion for lateen; source it or put it into bash_completion.d
_lateen() {
  local word glued= piece= prefix= i
  local -a typed=()
  # Bash divides words at = and :, too; only what follows the last of them is replaced.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ \${#typed[@]} -gt 0 && ( $word == [=:] || -n $glued ) ]]; then
      typed[\${#typed[@]}-1]+=$word
    else
      typed+=("$word")
    fi
    glued=
    if [[ $word == [=:] ]]; then glued=1; fi
  done
  piece=$word
  if [[ -n $glued ]]; then piece=; fi
  prefix=\${typed[\${#typed[@]}-1]%"$piece"}
  COMPREPLY=()
  while IFS= read -r word; do
    if [[ -n $word ]]; then COMPREPLY+=("\${word#"$prefix"}"); fi
  done < <(lateen __complete "\${typed[@]}" 2>/dev/null)
}
complete -o default -F _lateen lateen
`;

const ZSH = `#compdef lateen
_lateen() {
  local -a words_found
  words_found=("\${(@f)$(lateen __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -- $words_found
}
compdef _lateen lateen
`;

const FISH = `# fish completion for lateen
complete -c lateen -f -a '(lateen __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`;

export const completionCommand: Command = {
  name: "completion",
  summary: "Prints a completion script for a shell",
  positionals: [{ name: "bash|zsh|fish", required: true }],
  examples: ["source <(lateen completion bash)"],
  async run(ctx, call) {
    const scripts = { bash: BASH, zsh: ZSH, fish: FISH };
    const shell = SHELLS.find(s => s === call.args[0]);
    if (shell === undefined) {
      throw new UserError(
        `there is no completion for "${call.args[0]}"`,
        `one of ${SHELLS.join(", ")}`,
      );
    }
    ctx.stdout.write(scripts[shell]);
    return 0;
  },
};
