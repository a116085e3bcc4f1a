import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { photoJob, SIGLIP } from '../support/fixtures.js';
import { codeBlocks, readText } from '../support/markdown.js';
import { type Ending, plainEnvironment, Program, ROOT, runNode } from '../support/program.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { NODE_VERSIONS, nodeProgram, npmEnvironment, pnpmScript } from '../support/registry-tools.js';

const MANIFEST = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  engines: { node: string };
  dependencies: Record<string, string>;
};
const PHOTOS = path.join(ROOT, 'examples', 'photos');
const INSTALL_MS = 300_000;
const OLDEST = MANIFEST.engines.node.replace('>=', '') + '.0';
const TWO_VECTORS = [1, 2].map((id) => `/api/internal/photos/${id}/ml_result tiny 64 numbers`);
/** What Node.js 22.12 says about `require` of an ES module. */
const EXPERIMENTAL =
  /^\(node:\d+\) ExperimentalWarning: CommonJS module .* is loading ES Module .*\n.*\n\(Use `node --trace-warnings.*\n$/;

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

let folder: string;
let packed: Packed;
/** Where the tarball was installed by npm and by pnpm, once for all tests. */
let project: string;
let strictProject: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-package-'));
  const { stdout } = await succeed('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], ROOT);
  packed = (JSON.parse(stdout) as [Packed])[0];
  [project, strictProject] = await Promise.all([installByNpm(), installByPnpm()]);
}, INSTALL_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the packed tarball', () => {
  it('holds the built library, the command, the types, the readmes and the licence, and nothing else', () => {
    // `sharp`, `write-report` and `session` are loaded by the commands that need them, with the decoders and onnxruntime.
    const isChunk = (file: string): boolean =>
      /^dist\/(chunk|photo-reader|prepared-graph|session|sharp|write-report)-[A-Z0-9]{8}\.js$/.test(file);
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
    expect(files.filter(isChunk).length).toBeLessThanOrEqual(24);
  });

  it('stays below 320 kB', () => {
    expect(packed.size).toBeLessThan(320_000);
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

  it('asks for fifteen packages at most', () => {
    // Each must earn its place: users of a gallery download them all. Raising the number is a decision, not a fix.
    expect(Object.keys(MANIFEST.dependencies).length).toBeLessThanOrEqual(15);
    for (const version of Object.values(MANIFEST.dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe('in an empty project that installs the tarball', () => {
  it('01-hello runs with exit code 0 and an empty stderr', async () => {
    const { ended, stdout, stderr } = await runNode(['hello.js', SIGLIP, PHOTOS], { cwd: project });
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    expect(stdout.trimEnd().split('\n').sort()).toEqual(TWO_VECTORS);
  });

  it('npx clip-runner --version tells the version', async () => {
    const { stdout } = await succeed('npx', ['--no-install', 'clip-runner', '--version'], project);
    expect(stdout).toBe(`${MANIFEST.version}\n`);
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

describe.each(NODE_VERSIONS)('on Node.js $version, $why,', (node) => {
  let program: string;
  beforeAll(async () => {
    program = await nodeProgram(node);
  }, INSTALL_MS);

  const run = (args: readonly string[]): Promise<Ending> => new Program(program, args, { cwd: project }).end();

  it('the package can be imported, and embeds in threads', async () => {
    const line = node.version.split('.')[0]!;
    expect((await run(['--version'])).stdout).toMatch(new RegExp(`^v${line}\\.`));
    const { ended, stdout, stderr } = await run(['hello.js', SIGLIP, PHOTOS]);
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    expect(stdout.trimEnd().split('\n').sort()).toEqual(TWO_VECTORS);
  });

  it('the package can be required, and embeds in a child process', async () => {
    const { ended, stdout, stderr } = await run(['required.cjs', SIGLIP, path.join(PHOTOS, 'chelsea.jpg')]);
    expect(stderr.replace(EXPERIMENTAL, '')).toBe('');
    expect(ended).toBe(0);
    expect(stdout).toBe('64 numbers, OPTIONS_INVALID\n');
  });

  it('clip-runner serve embeds a text', async () => {
    const env = plainEnvironment({ CLIP_MODELS: `tiny=${SIGLIP}`, EMBED_PORT: '0', PROCESSING_EMBEDDING_DIM: '64' });
    const service = new Program(program, ['node_modules/clip-runner/dist/cli.js', 'serve'], { cwd: project, env });
    try {
      const url = /http:[^"]+/.exec(await service.prints(/"url":"http:[^"]+"/, 'stderr'))![0];
      await service.prints(/"msg":"ready"/, 'stderr');
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/embed_text`, { method: 'POST', headers, body: '{"text":"a cat"}' });
      expect(((await answer.json()) as { embedding: number[] }).embedding).toHaveLength(64);
    } finally {
      service.child.kill('SIGTERM');
    }
    expect((await service.end()).ended).toBe(0);
  });
});

describe('under pnpm', () => {
  it('nothing but the package itself can be imported, and it embeds', async () => {
    expect(readdirSync(path.join(strictProject, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      'clip-runner',
    ]);
    const { ended, stdout, stderr } = await runNode(['hello.js', SIGLIP, PHOTOS], { cwd: strictProject });
    expect(stderr).toBe('');
    expect(ended).toBe(0);
    expect(stdout.trimEnd().split('\n').sort()).toEqual(TWO_VECTORS);
  });

  it('pnpm exec clip-runner --version tells the version', async () => {
    const { stdout } = await succeed(
      process.execPath,
      [await pnpmScript(), 'exec', 'clip-runner', '--version'],
      strictProject,
    );
    expect(stdout).toBe(`${MANIFEST.version}\n`);
  });
});

describe('bundled by esbuild', () => {
  let redis: RedisServer;
  const commands = codeBlocks(readText('docs/embedding.md'))
    .map(({ code }) => code)
    .filter((code) => code.startsWith('npx esbuild '));
  beforeAll(async () => {
    redis = await startRedis();
    for (const name of ['esbuild', '.bin/esbuild'])
      symlinkSync(path.join(ROOT, 'node_modules', name), path.join(project, 'node_modules', name));
  });
  afterAll(() => redis.stop());

  const bundle = (command: string, outdir: string, ...more: readonly string[]): Promise<Ending> => {
    const text = [command.trimEnd().replace('--outdir=build', `--outdir=${outdir}`), ...more].join(' ');
    return succeed('bash', ['-c', `${text} --log-level=warning`], project);
  };
  const serve = async (file: string, isolation: string): Promise<Ending> => {
    await redis.client().lpush('photo_tasks', photoJob(1, 'chelsea.jpg'));
    return runNode([file, redis.url, SIGLIP, PHOTOS, isolation], { cwd: project });
  };

  it.each([
    ['the package left out', 0],
    ['the package bundled, too', 1],
  ])('by the documented command with %s, it takes a job from Redis and posts its vector', async (_, index) => {
    expect(commands).toHaveLength(2);
    const outdir = `build-${index}`;
    await bundle(commands[index]!, outdir);
    // Only where the bundle has it: the names of the package's own code.
    expect(readFileSync(path.join(project, outdir, 'server.js'), 'utf8').includes('OPTIONS_INVALID')).toBe(index === 1);
    for (const isolation of ['thread', 'process']) {
      const { ended, stdout, stderr } = await serve(`${outdir}/server.js`, isolation);
      expect(stderr).toBe('');
      expect([ended, stdout]).toEqual([0, '/api/internal/photos/1/ml_result tiny 64 numbers\n']);
    }
  });

  it('as CommonJS with the package left out, it embeds', async () => {
    await bundle(
      commands[0]!.replace('server.js', 'required.cjs').replace('=esm', '=cjs'),
      'build-cjs',
      '--out-extension:.js=.cjs',
    );
    const { ended, stdout } = await runNode(['build-cjs/required.cjs', SIGLIP, path.join(PHOTOS, 'chelsea.jpg')], {
      cwd: project,
    });
    expect([ended, stdout]).toEqual([0, '64 numbers, OPTIONS_INVALID\n']);
  });

  it.each([
    ['thread', 'worker.js'],
    ['process', 'child.js'],
  ])('without the entries, isolation "%s" says that %s is missing', async (isolation, file) => {
    await bundle(commands[1]!.replaceAll(/[\w-]+=node_modules\/\S+/g, '').replaceAll('\\\n', ''), `bare-${isolation}`);
    const { ended, stderr } = await serve(`bare-${isolation}/server.js`, isolation);
    expect(ended).toBe(1);
    expect(stderr).toContain(`Expected ${file} beside the code of clip-runner`);
  });
});

/** Arguments: a model, a photo. */
const REQUIRED = `
const { createRunner, RunnerError } = require('clip-runner');
const [, , model, photo] = process.argv;
const runner = createRunner({ models: [{ label: 'tiny', name: model }], isolation: 'process' });
const main = async () => {
  await runner.start();
  const [vector] = await runner.embedImages([photo]);
  await runner.stop();
  console.log(vector.length + ' numbers, ' + new RunnerError('OPTIONS_INVALID', 'x').code);
};
main();
`;

/** Arguments: a Redis, a model, a folder of photos, an isolation. Metrics, Redis and HTTP are what is imported late. */
const SERVER = `
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { createMetrics, createRunner, httpSink, redisQueue } from 'clip-runner';

const [url, model, photos, isolation] = process.argv.slice(2);
const gallery = createServer(async (request, response) => {
  const { model, embedding } = await json(request);
  console.log(request.url, model, embedding.length + ' numbers');
  response.end('{}');
}).listen(0, '127.0.0.1');
await once(gallery, 'listening');

const queue = redisQueue({ url });
const sink = httpSink({ baseUrl: 'http://127.0.0.1:' + gallery.address().port, token: 'x' });
const runner = createRunner({ queue, sink, models: [{ label: 'tiny', name: model }], roots: [photos], isolation });
const metrics = await createMetrics(runner, { queue });
const done = new Promise((resolve) => runner.on('job:done', resolve));
try {
  await runner.start();
  await done;
  await runner.stop();
  if (!(await metrics.text()).includes('clip_runner_jobs_total{')) throw new Error('no metrics');
} finally {
  gallery.close();
}
`;

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

/** Its dependencies must allow the oldest Node.js, too: what doesn't is an error to the strict and a warning to npm. */
async function installByNpm(): Promise<string> {
  const at = makeProject('project', { private: true, type: 'module' });
  const options = ['--prefer-offline', '--no-audit', '--no-fund'];
  const { stderr } = await succeed('npm', ['install', path.join(folder, packed.filename), ...options], at);
  expect(stderr).not.toContain('EBADENGINE');
  return at;
}

async function installByPnpm(): Promise<string> {
  const at = makeProject('strict-project', { private: true, type: 'module' });
  // A store on the same disk is linked, not copied.
  const store = ['--store-dir', path.join(folder, 'pnpm-store'), '--prefer-offline'];
  const strict = ['--engine-strict', `--config.node-version=${OLDEST}`, '--config.strict-peer-dependencies=true'];
  const args = [await pnpmScript(), 'add', path.join(folder, packed.filename), ...store, ...strict];
  await succeed(process.execPath, args, at);
  return at;
}

function makeProject(name: string, manifest: object): string {
  const at = path.join(folder, name);
  mkdirSync(at);
  writeFileSync(path.join(at, 'package.json'), JSON.stringify(manifest));
  copyFileSync(path.join(ROOT, 'examples', '01-hello.js'), path.join(at, 'hello.js'));
  writeFileSync(path.join(at, 'required.cjs'), REQUIRED);
  writeFileSync(path.join(at, 'server.js'), SERVER);
  return at;
}

/** Runs a program as a user would; throws unless it ends with 0. */
async function succeed(command: string, args: readonly string[], cwd: string): Promise<Ending> {
  const env = npmEnvironment();
  const ending = await new Program(command, args, { cwd, env, withinMs: INSTALL_MS }).end();
  if (ending.ended === 0) return ending;
  // pnpm tells its errors on stdout.
  const told = `${ending.stdout}${ending.stderr}`;
  throw new Error(`${command} ${args.join(' ')} ended with ${ending.ended}:\n${told}`);
}
