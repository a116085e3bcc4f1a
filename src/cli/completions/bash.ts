import { placeOf, type CommandNode } from './command-tree.js';

/** A script for bash 4 or newer; needs no bash-completion. */
export function bashScript(nodes: readonly CommandNode[]): string {
  return `# Completions of clip-runner for bash: source <(clip-runner completions bash)
_clip_runner() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path= index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$path \${COMP_WORDS[index]}" in
${nodes
  .map(placeOf)
  .filter((place) => place !== '')
  .map((place) => `      '${place}') path='${place}' ;;`)
  .join('\n')}
    esac
  done
  case "$path $before" in
${nodes.flatMap(valueCases).join('\n')}
  esac
  case "$path" in
${nodes.map(wordCase).join('\n')}
  esac
}
complete -o default -F _clip_runner clip-runner
`;
}

/** What follows an option: one of its choices, or a file (bash's default). */
function valueCases(node: CommandNode): readonly string[] {
  return node.options
    .filter(({ takesValue }) => takesValue)
    .map(({ flags, choices }) => {
      const patterns = flags.map((flag) => `'${placeOf(node)} ${flag}'`).join(' | ');
      const reply = choices.length === 0 ? '' : ` COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$word"));`;
      return `    ${patterns})${reply} return ;;`;
    });
}

function wordCase(node: CommandNode): string {
  const flags = node.options.flatMap((option) => option.flags).join(' ');
  const words = node.words.map(({ name }) => name).join(' ');
  const whenFlag = `if [[ $word == -* ]]; then COMPREPLY=($(compgen -W '${flags}' -- "$word"))`;
  const otherwise = words === '' ? '' : `; else COMPREPLY=($(compgen -W '${words}' -- "$word"))`;
  return `    '${placeOf(node)}') ${whenFlag}${otherwise}; fi ;;`;
}
