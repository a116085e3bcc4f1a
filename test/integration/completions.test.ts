import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainEnvironment, Program, ROOT, runNode } from '../support/program.js';

/** What a shell offers, typed into the shell itself: words come from `--help` of the commands, not from the scripts. */

const CLI = path.join(ROOT, 'dist', 'cli.js');
const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

let folder: string;
const scripts = new Map<Shell, string>();

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-completions-'));
  for (const shell of SHELLS) {
    const { ended, stdout, stderr } = await runNode([CLI, 'completions', shell]);
    expect([ended, stderr]).toEqual([0, '']);
    const file = path.join(folder, `clip-runner.${shell}`);
    await writeFile(file, stdout);
    scripts.set(shell, file);
  }
  await writeFile(path.join(folder, 'a-folder-of-photos.txt'), '');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const isThere = (shell: Shell): boolean => spawnSync(shell, ['--version']).status === 0;

/** The words that the shell offers for a line whose last word is begun. */
const ASK = {
  bash: (words) => {
    const at = words.map((word) => `'${word}'`).join(' ');
    const call = `COMP_WORDS=(${at}); COMP_CWORD=${words.length - 1}; _clip_runner; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return ['--norc', '-c', `source '${scripts.get('bash')}'; complete -p clip-runner >/dev/null && { ${call}; }`];
  },
  fish: (words) => ['--no-config', '-c', `source '${scripts.get('fish')}'; complete -C '${words.join(' ')}'`],
} as const satisfies Partial<Record<Shell, (words: readonly string[]) => readonly string[]>>;

async function ask(shell: 'bash' | 'fish', ...words: readonly string[]): Promise<readonly string[]> {
  const env = plainEnvironment({ HOME: folder });
  const { ended, stdout, stderr } = await new Program(shell, ASK[shell](['clip-runner', ...words]), {
    cwd: folder,
    env,
  }).end();
  expect([ended, stderr]).toEqual([0, '']);
  // fish adds the meaning behind a tab.
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0]!]));
}

/** The commands and long flags that the help of a command names. */
async function helpOf(...command: readonly string[]): Promise<{ commands: string[]; flags: string[] }> {
  const { stdout } = await runNode([CLI, ...command, '--help']);
  const [, commands = ''] = stdout.split('Commands:\n');
  return {
    commands: [...commands.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help'),
    flags: [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, flag = '']) => flag),
  };
}

describe.each(['bash', 'fish'] as const)('%s', (shell) => {
  if (!isThere(shell)) console.warn(`completions: ${shell} is not on the PATH, so its script is not tried`);

  it.skipIf(!isThere(shell))('completes commands, and those within a command', async () => {
    expect([...(await ask(shell, ''))].sort()).toEqual((await helpOf()).commands.sort());
    expect([...(await ask(shell, 'dlq', ''))].sort()).toEqual(['list', 'purge', 'redrive', 'show']);
    expect(await ask(shell, 'te')).toEqual(['texts']);
    // A flag in between changes nothing.
    expect(await ask(shell, '--version', 'mod')).toEqual(['models']);
  });

  it
    .skipIf(!isThere(shell))
    .each([['photos'], ['serve'], ['people'], ['dlq', 'list'], ['models', 'pull'], ['models', 'verify']])(
    'completes every flag of %s %s',
    async (...command) => {
      const words = command.filter((word) => typeof word === 'string');
      const { flags } = await helpOf(...words);
      expect(flags.length).toBeGreaterThan(3);
      expect([...new Set(await ask(shell, ...words, '--'))].sort()).toEqual(flags.sort());
    },
  );

  it.skipIf(!isThere(shell))('completes values that are few, and files elsewhere', async () => {
    expect([...(await ask(shell, 'photos', '--device', ''))].sort()).toEqual(
      ['auto', 'coreml', 'cpu', 'cuda', 'dml', 'webgpu'].sort(),
    );
    expect(await ask(shell, 'people', '--method', 'gr')).toEqual(['greedy']);
    expect([...(await ask(shell, 'completions', ''))].sort()).toEqual([...SHELLS].sort());
    // bash falls back to files where the function offers nothing.
    if (shell === 'fish') expect(await ask(shell, 'people', '--cache', 'a-fol')).toEqual(['a-folder-of-photos.txt']);
    else expect(await ask(shell, 'people', '--cache', 'a-fol')).toEqual([]);
  });
});

const isZshThere = isThere('zsh') && spawnSync('script', ['--version']).status === 0;
if (!isZshThere) console.warn('completions: zsh or script is not on the PATH, so the script for zsh is not tried');

describe.skipIf(!isZshThere)('zsh', () => {
  it('completes commands, those within a command, flags, values and files, at a prompt', async () => {
    const env = plainEnvironment({ HOME: folder, TERM: 'dumb', COLUMNS: '200' });
    const program = new Program('script', ['-qec', 'zsh -f -i', '/dev/null'], { cwd: folder, env, stdin: 'pipe' });
    const type = (text: string): void => void program.child.stdin!.write(text);
    type(`PS1=; autoload -Uz compinit; compinit -u -D; source '${scripts.get('zsh')}'; echo 're'ady\n`);
    await program.prints(/ready/);
    for (const [typed, offered] of [
      ['clip-runner te', /clip-runner texts/],
      ['clip-runner dlq redr', /clip-runner dlq redrive/],
      ['clip-runner dlq list --reas', /dlq list --reason/],
      ['clip-runner photos --device cor', /--device coreml/],
      ['clip-runner people --cache a-fol', /a-folder-of-photos\.txt/],
      ['clip-runner completions zs', /clip-runner completions zsh/],
    ] as const) {
      type(`${typed}\t`);
      await program.prints(offered);
      // Ctrl-U: the line is not run.
      type('\u0015');
    }
    type('exit\n');
    await program.end();
  });
});

it('a shell that there is no script for is refused with exit code 2', async () => {
  const { ended, stderr } = await runNode([CLI, 'completions', 'cmd']);
  expect(ended).toBe(2);
  expect(stderr).toContain('bash, zsh, fish');
});
