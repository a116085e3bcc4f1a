import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SIGLIP } from '../support/fixtures.js';
import { type Ending, Program, ROOT, runNode } from '../support/program.js';

const MANIFEST = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
};
const PHOTOS = path.join(ROOT, 'examples', 'photos');
const INSTALL_MS = 300_000;

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

let folder: string;
let packed: Packed;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-package-'));
  const { stdout } = await succeed('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], ROOT);
  packed = (JSON.parse(stdout) as [Packed])[0];
}, INSTALL_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the packed tarball', () => {
  it('holds the built library, the command, the types, the readmes and the licence, and nothing else', () => {
    // `write-report` and `session` are loaded by the one command that needs them, with the decoders and onnxruntime.
    const isChunk = (file: string): boolean =>
      /^dist\/(chunk|photo-reader|prepared-graph|session|write-report)-[A-Z0-9]{8}\.js$/.test(file);
    const files = packed.files.map((file) => file.path);
    expect(files.filter((file) => !isChunk(file)).sort()).toEqual([
      'LICENSE',
      'README.md',
      'README.zh-CN.md',
      'dist/child.js',
      'dist/cli.js',
      'dist/index.d.ts',
      'dist/index.js',
      'dist/prepare.js',
      'dist/session-worker.js',
      'dist/worker.js',
      'package.json',
    ]);
    // What the six entries share; more than a few would be files of an earlier build.
    expect(files.filter(isChunk).length).toBeLessThanOrEqual(18);
  });

  it('stays below 290 kB', () => {
    expect(packed.size).toBeLessThan(290_000);
  });

  it('names its source map nowhere, since it ships none', () => {
    for (const file of packed.files.filter(({ path: name }) => name.endsWith('.js'))) {
      expect(readFileSync(path.join(ROOT, file.path), 'utf8')).not.toContain('sourceMappingURL');
    }
  });

  it('can be executed as a command', () => {
    expect(packed.files.find((file) => file.path === 'dist/cli.js')?.mode).toBe(0o755);
    expect(readFileSync(path.join(ROOT, 'dist', 'cli.js'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it('asks for fourteen packages at most', () => {
    // Each must earn its place: users of a gallery download them all. Raising the number is a decision, not a fix.
    expect(Object.keys(MANIFEST.dependencies).length).toBeLessThanOrEqual(18);
    for (const version of Object.values(MANIFEST.dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe('in an empty project that installs the tarball', () => {
  let project: string;
  beforeAll(async () => {
    project = path.join(folder, 'project');
    mkdirSync(project);
    writeFileSync(path.join(project, 'package.json'), '{ "private": true }');
    const tarball = path.join(folder, packed.filename);
    await succeed('npm', ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund'], project);
  }, INSTALL_MS);

  it('01-hello runs with exit code 0 and an empty stderr', async () => {
    copyFileSync(path.join(ROOT, 'examples', '01-hello.js'), path.join(project, 'hello.mjs'));
    const { ended, stdout, stderr } = await runNode(['hello.mjs', SIGLIP, PHOTOS], { cwd: project });
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    expect(stdout.trimEnd().split('\n').sort()).toEqual([
      '/api/internal/photos/1/ml_result tiny 64 numbers',
      '/api/internal/photos/2/ml_result tiny 64 numbers',
    ]);
  });

  it('npx clip-runner --version tells the version', async () => {
    const { stdout } = await succeed('npx', ['--no-install', 'clip-runner', '--version'], project);
    expect(stdout).toBe(`${MANIFEST.version}\n`);
  });

  it('CommonJS can require it', async () => {
    const script = `const { createRunner, RunnerError } = require('clip-runner');
      console.log(typeof createRunner, new RunnerError('OPTIONS_INVALID', 'x').code);`;
    writeFileSync(path.join(project, 'required.cjs'), script);
    const { ended, stdout } = await runNode(['required.cjs'], { cwd: project });
    expect(ended).toBe(0);
    expect(stdout).toBe('function OPTIONS_INVALID\n');
  });

  it('its types pass a strict check that also reads the declarations of its dependencies', async () => {
    writeFileSync(path.join(project, 'consumer.mts'), CONSUMER);
    // The compiler and Node's types are the only things that this project borrows.
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
      types: ['node'],
      typeRoots: [path.join(ROOT, 'node_modules', '@types')],
    };
    writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.mts'] }));
    const compiler = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { ended, stdout } = await runNode([compiler, '--project', '.'], { cwd: project });
    expect(stdout).toBe('');
    expect(ended).toBe(0);
  });
});

const CONSUMER = `
import { createRunner, httpSink, redisQueue, RunnerError, type Runner, type Sink, type Task } from 'clip-runner';

const sink: Sink = httpSink({ baseUrl: 'http://127.0.0.1:8080', token: 'x' });
const task: Task = { name: 'size', input: 'image', open: () => [], deliver: () => [] };
const runner: Runner = createRunner({ queue: redisQueue(), sink, tasks: ['clip', task], models: 'a=./a,b=./b' });
runner.on('job:buried', ({ jobId, error }) => console.log(jobId.length, error instanceof RunnerError));
const [vector]: Float32Array[] = await runner.embedImages(['a.jpg', new Uint8Array(1)]);
console.log(vector?.length);
// @ts-expect-error: there is no such option.
createRunner({ thread: 1 });
`;

/** Runs a program as a user would, without what this repository sets for npm; throws unless it ends with 0. */
async function succeed(command: string, args: readonly string[], cwd: string): Promise<Ending> {
  const isOfThisRepository = (name: string): boolean => /^npm_(lifecycle|package|config_(local|ignore))/i.test(name);
  const own = Object.entries(process.env).filter(([name]) => !isOfThisRepository(name)) as [string, string][];
  const env = { ...Object.fromEntries(own), ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const ending = await new Program(command, args, { cwd, env, withinMs: INSTALL_MS }).end();
  if (ending.ended !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${ending.ended}:\n${ending.stderr}`);
  return ending;
}
