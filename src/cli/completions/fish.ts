import { placeOf, type CommandNode, type OptionWords } from './command-tree.js';

/** A script for fish 3.1 or newer. */
export function fishScript(nodes: readonly CommandNode[]): string {
  return `# Completions of clip-runner for fish: clip-runner completions fish | source
function __clip_runner_at
    set -l place
    for word in (commandline -opc)[2..]
        switch "$place $word"
${nodes
  .map(placeOf)
  .filter((place) => place !== '')
  .map((place) => `            case '${place}'\n                set place '${place}'`)
  .join('\n')}
        end
    end
    test "$place" = "$argv[1]"
end
complete -c clip-runner -e
${nodes.flatMap(linesOf).join('\n')}
`;
}

function linesOf(node: CommandNode): readonly string[] {
  const start = `complete -c clip-runner -n "__clip_runner_at '${placeOf(node)}'"`;
  return [
    ...node.words.map(({ name, description }) => `${start} -f -a ${name} -d '${description}'`),
    ...node.options.map((option) => `${start} ${optionWords(option)}`),
  ];
}

function optionWords({ flags, description, takesValue, choices }: OptionWords): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const value = !takesValue ? [] : choices.length === 0 ? ['-r'] : ['-x', '-a', `'${choices.join(' ')}'`];
  return [...names, ...value, '-d', `'${description}'`].join(' ');
}
