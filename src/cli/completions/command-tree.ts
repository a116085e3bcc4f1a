import type { Command, Option } from 'commander';

/** A command as a shell's completion sees it. */
export interface CommandNode {
  /** The words that lead to it, without the program's name. */
  readonly path: readonly string[];
  /** What may come next: its commands, or the values of its argument where they are few. */
  readonly words: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionWords[];
}

/** An option by its words. */
export interface OptionWords {
  /** `--help`, `-h` */
  readonly flags: readonly string[];
  readonly description: string;
  /** Whether a word behind it is its value. */
  readonly takesValue: boolean;
  /** The values that it takes, where they are few. */
  readonly choices: readonly string[];
}

/** Every command of a program, the program itself first. */
export function commandTree(program: Command): readonly CommandNode[] {
  return nodesOf(program, []);
}

function nodesOf(command: Command, path: readonly string[]): readonly CommandNode[] {
  const help = command.createHelp();
  // `help` itself is among the visible ones, and leads nowhere.
  const commands = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const values = command.registeredArguments[0]?.argChoices ?? [];
  const words = [
    ...commands.map((child) => ({ name: child.name(), description: plain(child.description()) })),
    ...values.map((name) => ({ name, description: '' })),
  ];
  const node = { path, words, options: help.visibleOptions(command).map(wordsOf) };
  return [node, ...commands.flatMap((child) => nodesOf(child, [...path, child.name()]))];
}

function wordsOf({ short, long, description, required, optional, argChoices = [] }: Option): OptionWords {
  const flags = [long, short].flatMap((flag) => flag ?? []);
  return { flags, description: plain(description), takesValue: required || optional, choices: argChoices };
}

/** ` dlq list`: the path of a command as the scripts keep it; empty for the program. */
export function placeOf({ path }: Pick<CommandNode, 'path'>): string {
  return path.map((name) => ` ${name}`).join('');
}

/** One line without what a shell could take for its own. */
function plain(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[`"'$\\]/g, '');
}
