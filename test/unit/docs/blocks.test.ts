import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { CommanderError } from 'commander';
import dotenv from 'dotenv';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeProgram } from '../../../src/cli/program.js';
import { VARIABLES } from '../../../src/cli/variables.js';
import { documentedBlocks, FATES, fateOf, isSettings } from '../../support/doc-blocks.js';
import { inlineCode, listDocuments, prose, readText, ROOT, type LocatedBlock } from '../../support/markdown.js';
import { shellCommands } from '../../support/shell-commands.js';

const blocks = documentedBlocks();
const placed = blocks.map((block) => ({ ...block, at: `${block.file}:${block.line}` }));
const of = (...languages: readonly string[]): typeof placed =>
  placed.filter(({ language }) => languages.includes(language));

describe('every code block', () => {
  it.each(placed)('$at has an entry in the table of test/support/doc-blocks.ts, or is data that is read', (block) => {
    if (isSettings(block) || block.language === 'json') return;
    const fate = fateOf(block)?.[2];
    expect(fate, `what is to be done with ${block.file}:${block.line}?\n${block.code}`).toBeDefined();
    const isRun = fate !== undefined && 'run' in fate;
    const languages = isRun
      ? { shell: ['sh'], module: ['js'] }[fate.run]
      : ['sh', 'js', 'text', 'mermaid', 'nginx', 'promql'];
    expect(languages).toContain(block.language);
  });

  it('is meant by each entry of that table, and the tests that it names are there', () => {
    for (const entry of FATES) {
      expect(
        blocks.some((block) => fateOf(block) === entry),
        `${entry[0]}: ${entry[1]}`,
      ).toBe(true);
      const fate = entry[2];
      if ('by' in fate) expect(existsSync(path.join(ROOT, 'test', fate.by)), fate.by).toBe(true);
    }
  });
});

describe('blocks of data', () => {
  it.each(of('json'))('$at is JSON', ({ code }) => {
    expect(() => JSON.parse(code) as unknown).not.toThrow();
  });

  it.each(placed.filter(isSettings))('$at sets variables of the commands to values that they take', ({ code }) => {
    const known = Object.values(VARIABLES);
    for (const [name, value] of Object.entries(dotenv.parse(code))) {
      const variable = known.find(({ env }) => env === name);
      expect(variable, name).toBeDefined();
      expect(() => variable?.read(value) as unknown).not.toThrow();
    }
  });

  it.each(of('nginx'))('$at has closed braces and ended lines', ({ code }) => {
    expect(code.split('{')).toHaveLength(code.split('}').length);
    for (const line of code.trimEnd().split('\n')) expect(line).toMatch(/[;{}]$/);
  });
});

describe('blocks of commands', () => {
  const scripts = of('sh').filter((block) => !isSettings(block));

  it.each(scripts)('$at has only commands, options, variables and files that there are', async ({ code }) => {
    const commands = shellCommands(code);
    expect(commands.length).toBeGreaterThan(0);
    let folder = ROOT;
    for (const { words, variables } of commands) {
      for (const name of Object.keys(variables)) expect(isKnownVariable(name), name).toBe(true);
      const [program = '', ...args] = words;
      if (program === '') continue;
      if (program === 'cd') folder = path.join(folder, args[0] ?? '');
      expect(existsSync(folder), folder).toBe(true);
      const check = PROGRAMS[program];
      expect(check, `nobody checks the program ${program}`).toBeDefined();
      await check?.(args, folder);
    }
  });

  it.each(listDocuments().filter((file) => file === 'README.md' || file.startsWith('docs/')))(
    '%s has none in its sentences that is refused',
    async (file) => {
      const isWhole = (code: string): boolean => /^clip-runner [a-z]/.test(code) && !/[<…[|*]|\.\.\./.test(code);
      for (const code of inlineCode(prose(readText(file))).filter(isWhole)) {
        for (const { words } of shellCommands(code)) await parse(words.slice(1), UNFINISHED);
      }
    },
  );
});

/** Of other programs: those of Node.js, npm, OpenTelemetry, the hub's own, of the compose file and of the benches. */
function isKnownVariable(name: string): boolean {
  if (['NODE_OPTIONS', 'ONNXRUNTIME_NODE_INSTALL', 'HF_HOME', 'HF_HUB_OFFLINE'].includes(name)) return true;
  if (/^OTEL_[A-Z_]+$/.test(name)) return true;
  if (name.startsWith('BENCH_')) return benchSources().some((source) => source.includes(name));
  if (Object.values(VARIABLES).some(({ env }) => env === name)) return true;
  return readText('deploy/compose.yaml').includes(`\${${name}`);
}

function benchSources(): readonly string[] {
  return ['bench', 'bench/support'].flatMap((folder) =>
    readdirSync(path.join(ROOT, folder))
      .filter((name) => /\.(js|mjs|ts)$/.test(name))
      .map((name) => readText(`${folder}/${name}`)),
  );
}

type Check = (args: readonly string[], folder: string) => void | Promise<void>;
/** What a shell or a system has; its options are not ours. Where the block can be run it is. */
const foreign: Check = () => undefined;
const isThere = (folder: string, file: string): void => expect(existsSync(path.join(folder, file)), file).toBe(true);

const PROGRAMS: Readonly<Record<string, Check>> = {
  'clip-runner': (args) => parse(args),
  node: async ([script = '', ...args], folder) => {
    if (script === 'dist/cli.js') return parse(args);
    isThere(folder, script);
    for (const arg of args) expect(readText(script)).toContain(/^--([\w-]+)/.exec(arg)?.[1]);
  },
  npm: ([verb = '', script = '', ...args]) => {
    expect(['ci', 'install', 'pack', 'test', 'run']).toContain(verb);
    if (verb !== 'run') return;
    const { scripts } = JSON.parse(readText('package.json')) as { scripts: Readonly<Record<string, string>> };
    expect(Object.keys(scripts)).toContain(script);
    const [, name = '', ...flags] = args;
    if (script === 'bench') isThere(ROOT, `bench/${name}.js`);
    if (script !== 'soak') return;
    const soak = readText('test/soak/main.ts');
    for (const word of [name, ...flags.filter((flag) => flag.startsWith('--'))])
      expect(soak).toContain(word.replace('--', ''));
  },
  npx: ([program]) => expect(program).toBe('esbuild'),
  // Options of Docker's own, but files of ours.
  docker: (args, folder) => {
    const file = args[args.indexOf('-f') + 1];
    if (args.includes('-f') && file !== undefined) isThere(folder, file);
    if (args[0] === 'compose') isThere(folder, 'compose.yaml');
  },
  cp: ([from = ''], folder) => isThere(folder, from),
  '.venv/bin/pip': (args, folder) => {
    const file = args[args.indexOf('-r') + 1];
    if (args.includes('-r') && file !== undefined) isThere(folder, file);
  },
  '.venv/bin/python': ([script = ''], folder) => isThere(folder, script),
  python3: ([, module]) => expect(module).toBe('venv'),
  ...Object.fromEntries(
    ['cd', 'curl', 'export', 'jq', 'openssl', 'redis-cli', 'source', 'tar'].map((name) => [name, foreign]),
  ),
};

/** How a command ends that a sentence only names: without its argument, or without one of its own commands. */
const UNFINISHED = ['commander.missingArgument', 'commander.help'];

/** By the program's own parser, which refuses unknown commands and options, and arguments too many or too few. */
async function parse(args: readonly string[], accepted: readonly string[] = []): Promise<void> {
  const program = makeProgram();
  silence(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    const isFine = thrown.exitCode === 0 || accepted.includes(thrown.code);
    if (!isFine) throw new Error(`${args.join(' ')}: ${thrown.message}`, { cause: thrown });
  }
}

function silence(command: Command): void {
  command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined, outputError: () => undefined });
  if (command.commands.length === 0) command.action(() => undefined);
  for (const child of command.commands) silence(child);
}

describe('blocks of JavaScript', () => {
  const modules = of('js');
  let folder: string;
  let errors: ReadonlyMap<string, readonly string[]>;

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'clip-runner-blocks-'));
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(ROOT, path.join(folder, 'node_modules', 'clip-runner'));
    writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(path.join(folder, 'around.d.ts'), AROUND);
    errors = typeErrors(folder, modules);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(modules)('$at has the types of the package', ({ at }) => {
    expect(errors.get(at)).toEqual([]);
  });

  it('would be told of an option that there is not', () => {
    const wrong = { ...modules[0]!, line: 0, code: "createRunner({ modles: 'a=./a' });\n" };
    expect(typeErrors(folder, [wrong]).get(`${wrong.file}:0`)).toEqual([expect.stringContaining('modles')]);
  });
});

/** What the program around a block would have. */
const AROUND = `
type Package = typeof import('clip-runner');
type Runner = import('clip-runner').Runner;
declare global {
  const createRunner: Package['createRunner'];
  const runner: Runner;
  const queue: import('clip-runner').Queue;
  const sink: import('clip-runner').Sink;
  const models: string;
  const averageColor: import('clip-runner').Task;
  const faces: Parameters<Package['clusterFaces']>[0];
  const save: (...all: readonly unknown[]) => Promise<void>;
  const readFile: typeof import('node:fs/promises').readFile;
}
export {};
`;

/** What is said of JavaScript that is right: it neither narrows what is unknown nor writes the type of a promise. */
const OF_TYPESCRIPT_ALONE = [2810, 18_046];

/** One program of all blocks, each a module of its own. Messages by the place of the block, with the line of the document. */
function typeErrors(folder: string, modules: readonly LocatedBlock[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map(
    modules.map((block, index) => {
      const isCommon = block.code.includes('require(');
      const file = path.join(folder, `block-${index}.${isCommon ? 'cjs' : 'mjs'}`);
      writeFileSync(file, isCommon ? block.code : `${block.code}export {};\n`);
      return [file, block] as const;
    }),
  );
  const program = ts.createProgram([...files.keys(), path.join(folder, 'around.d.ts')], {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    strict: true,
    noImplicitAny: false,
    // A parameter without a type takes what the function is given.
    strictFunctionTypes: false,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [path.join(ROOT, 'node_modules', '@types')],
  });
  return new Map(
    [...files].map(([file, block]) => {
      const source = program.getSourceFile(file);
      const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      const told = found.filter(({ code }) => !OF_TYPESCRIPT_ALONE.includes(code));
      const messages = told.map(({ start, messageText }) => {
        const line = source?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0;
        return `${block.file}:${block.line + 1 + line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
      });
      return [`${block.file}:${block.line}`, messages] as const;
    }),
  );
}
