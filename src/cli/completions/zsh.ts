import { placeOf, type CommandNode, type OptionWords } from './command-tree.js';

/** A script for zsh, to be sourced after `compinit`, or kept as `_clip-runner` in a folder of `fpath`. */
export function zshScript(nodes: readonly CommandNode[]): string {
  return `#compdef clip-runner
# Completions of clip-runner for zsh: source <(clip-runner completions zsh)
_clip_runner() {
  local place= index
  local -a next flags
  for ((index = 2; index < CURRENT; index++)); do
    case "$place \${words[index]}" in
${nodes
  .map(placeOf)
  .filter((place) => place !== '')
  .map((place) => `      '${place}') place='${place}' ;;`)
  .join('\n')}
    esac
  done
  case "$place \${words[CURRENT-1]}" in
${nodes.flatMap(valueCases).join('\n')}
  esac
  case "$place" in
${nodes.map(wordCase).join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe option flags
  elif ((\${#next})); then
    _describe command next
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _clip-runner ]]; then _clip_runner "$@"; else compdef _clip_runner clip-runner; fi
`;
}

function valueCases(node: CommandNode): readonly string[] {
  return node.options
    .filter(({ takesValue }) => takesValue)
    .map(({ flags, choices }) => {
      const patterns = flags.map((flag) => `'${placeOf(node)} ${flag}'`).join(' | ');
      return `    ${patterns}) ${choices.length === 0 ? '_files' : `compadd -- ${choices.join(' ')}`}; return ;;`;
    });
}

function wordCase(node: CommandNode): string {
  const words = node.words.map(({ name, description }) => entry(name, description));
  return `    '${placeOf(node)}')
      next=(${words.join(' ')})
      flags=(${node.options.flatMap(optionEntries).join(' ')}) ;;`;
}

function optionEntries({ flags, description }: OptionWords): readonly string[] {
  return flags.map((flag) => entry(flag, description));
}

/** `_describe` takes the first colon for the end of the word. */
function entry(word: string, description: string): string {
  return `'${word}:${description}'`;
}
