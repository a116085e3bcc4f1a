import { Argument, Command } from 'commander';
import { bashScript } from './completions/bash.js';
import { commandTree, type CommandNode } from './completions/command-tree.js';
import { fishScript } from './completions/fish.js';
import { zshScript } from './completions/zsh.js';
import { streamOut } from './stream-out.js';

const SCRIPTS = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
} as const satisfies Record<string, (nodes: readonly CommandNode[]) => string>;

/** `clip-runner completions bash|zsh|fish`: made of the program itself, so that it knows every command and flag. */
export function completionsCommand(): Command {
  return new Command('completions')
    .description('print a script that makes a shell complete commands and flags')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .action(async (shell: keyof typeof SCRIPTS, _flags: object, command: Command) => {
      await streamOut(SCRIPTS[shell](commandTree(command.parent ?? command)));
    });
}
