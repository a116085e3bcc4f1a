/** One command of a script of the shell. */
export interface ShellCommand {
  /** The variables that are set for it alone. */
  readonly variables: Readonly<Record<string, string>>;
  /** The program and its arguments, without quotes. What another command would print is `…` there. */
  readonly words: readonly string[];
}

const SPACE = /^(?:[ \t]|\\\n)+/;
const COMMENT = /^#[^\n]*/;
const END = /^(?:&&|\|\||[|;\n]|2?>(?: *\S+)?)/;
const PIECE = /^(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\|;&#)]|#))/;

/** The commands of a script, also those inside `$(…)` and `<(…)`; enough of the shell's grammar for documents. */
export function shellCommands(script: string): readonly ShellCommand[] {
  const commands: ShellCommand[] = [];
  let words: string[] = [];
  let rest = script;
  const take = (length: number): void => void (rest = rest.slice(length));
  const finish = (): void => {
    if (words.length > 0) commands.push(toCommand(words));
    words = [];
  };
  while (rest !== '') {
    const skipped = SPACE.exec(rest) ?? COMMENT.exec(rest);
    const end = skipped === null ? END.exec(rest) : null;
    if (skipped !== null) take(skipped[0].length);
    else if (end !== null) {
      finish();
      take(end[0].length);
    } else words.push(takeWord());
  }
  finish();
  return commands;

  function takeWord(): string {
    let word = '';
    for (;;) {
      const inner = /^(?:[$<]\(([^)]*)\))/.exec(rest);
      if (inner !== null) {
        commands.push(...shellCommands(inner[1] ?? ''));
        word += '…';
        take(inner[0].length);
        continue;
      }
      const piece = PIECE.exec(rest);
      if (piece === null) break;
      word += piece[1] ?? piece[2]?.replaceAll(/\\(.)/g, '$1') ?? piece[3] ?? piece[4] ?? '';
      take(piece[0].length);
    }
    if (word === '' && !/^['"]/.test(rest)) throw new Error(`this is no shell that can be read: ${rest.slice(0, 40)}`);
    return word;
  }
}

function toCommand(all: readonly string[]): ShellCommand {
  const isVariable = (word: string): boolean => /^[A-Z_]+=/.test(word);
  const from = all.findIndex((word) => !isVariable(word));
  const [set, words] = from < 0 ? [all, []] : [all.slice(0, from), all.slice(from)];
  // `export A=1 B=2` sets them, too.
  const exported = words[0] === 'export' ? words.slice(1).filter(isVariable) : [];
  const pairs = [...set, ...exported].map((word): [string, string] => {
    const at = word.indexOf('=');
    return [word.slice(0, at), word.slice(at + 1)];
  });
  return { variables: Object.fromEntries(pairs), words };
}
