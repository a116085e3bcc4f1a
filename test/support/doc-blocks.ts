import { listDocuments, locatedBlocks, type LocatedBlock } from './markdown.js';

interface Run {
  /** What it must write to stdout. */
  readonly prints: RegExp;
  /** What its reader has done by then, as a script of the shell. */
  readonly given?: string;
}

/** Run by bash in the lab of `terminal-lab.ts`. */
interface ShellRun extends Run {
  readonly run: 'shell';
  readonly env?: Readonly<Record<string, string>>;
  /** The photo whose embedding the gallery then gets. */
  readonly delivers?: string;
}

/** Run by Node.js in the same lab, between what a program around it would have. */
interface ModuleRun extends Run {
  readonly run: 'module';
  readonly before?: string;
  readonly after?: string;
}

/** What is done with a code block of the documents. */
export type Fate =
  | ShellRun
  | ModuleRun
  /** Run by another test. */
  | { readonly by: string; readonly why: string }
  /** Not run at all. Its commands, options, variables and files are checked as those of every block. */
  | { readonly why: string };

const shell = (prints: RegExp, more: Omit<ShellRun, 'run' | 'prints'> = {}): Fate => ({
  run: 'shell',
  prints,
  ...more,
});
const module = (prints: RegExp, more: Omit<ModuleRun, 'run' | 'prints'> = {}): Fate => ({
  run: 'module',
  prints,
  ...more,
});

const MINUTES = 'measures for minutes';
const TORCH: Fate = { by: 'integration/export.test.ts', why: 'downloads weights from a hub; run there on made ones' };
const PACKED: Fate = { by: 'integration/package.test.ts', why: 'packs and installs' };
const READERS: Fate = { by: 'integration/ocr-models.test.ts', why: 'installs a package that the tests have' };
const OUTPUT: Fate = { why: 'a measurement, which the command above it prints; nothing to run' };
const DOCTOR: Fate = { by: 'integration/doctor-command.test.ts', why: 'measures this machine' };
const DEAD = `for reason in http_404 decode not_found; do redis-cli LPUSH photo_tasks_dlq '{"photo_id":7,"user_id":1,"path":"cat.jpg",
"tasks":["clip"],"_runner":{"v":1,"id":"01JD3Q6Z7W8X9Y0Z1A2B3C4D5E","queue":"photo_tasks","reason":"'$reason'","attempts":1,
"error":{"name":"RunnerError","code":"IMAGE_DECODE","message":"why"},"firstFailedAt":"2026-01-01T12:00:00.000Z",
"failedAt":"2026-01-01T12:00:00.000Z"}}' >/dev/null; done`;
const SOME_PHOTOS = 'mkdir -p some-photos; cp one.jpg two.png some-photos';
const RUNNER = `const runner = createRunner({ models: 'clip-ViT-L-14=openai/clip-vit-large-patch14' }); await runner.start();`;

const ONE_JOB = `const queue = memoryQueue();
queue.push({ photo_id: 1, user_id: 1, path: 'one.jpg', tasks: ['clip'] });
const runner = createRunner({ queue, sink: memorySink(), models: 'clip-ViT-L-14=openai/clip-vit-large-patch14' });
const done = new Promise((resolve) => runner.on('job:done', resolve));
await runner.start();
await done;
await runner.stop();`;

/** Every block by its document and the text that it begins with. JSON and files of settings need no entry: all are read. */
export const FATES: readonly (readonly [file: string, begins: string, fate: Fate])[] = [
  ['README.md', 'npm run demo', { by: 'integration/gallery-demo.test.ts', why: 'serves until it is told to end' }],
  ['README.md', 'flowchart', { why: 'a picture, which GitHub draws' }],
  ['README.md', 'npm ci', PACKED],
  ['README.md', 'ONNXRUNTIME_NODE_INSTALL=skip npm install', PACKED],
  ['README.md', 'node dist/cli.js photos', shell(/^$/)],
  ['README.md', 'node dist/cli.js init', { by: 'integration/init-command.test.ts', why: 'and doctor-command.test.ts' }],
  ['README.md', 'redis-cli LPUSH', shell(/^\d\n$/, { delivers: '1' })],
  ['README.md', 'node dist/cli.js texts', shell(/1 +42 +0\.1235 .*beach\.jpg/)],
  ['README.md', 'node dist/cli.js people', shell(/would be made[^]*made \(id \d+\)/)],
  ['README.md', '// Two photos', { by: 'integration/examples.test.ts', why: 'is examples/01-hello.js' }],
  [
    'README.md',
    "const runner = createRunner({ models: 'clip-ViT-B-32=openai/clip-vit-base-patch32' });",
    module(/^64 64\n$/, { after: 'console.log(one.length, two.length);' }),
  ],
  [
    'README.md',
    "const runner = createRunner({ models: 'clip-ViT-B-32=openai/clip-vit-base-patch32', tasks",
    module(/^-?0\.\d+\n$/, { after: 'console.log(similarity); await runner.stop();' }),
  ],
  [
    'README.md',
    'createRunner({ queue, sink',
    module(/^$/, {
      before:
        "const { default: averageColor } = await import('./average-color.js'); const [queue, sink, models] = [memoryQueue(), memorySink(), 'a=./openai/clip-vit-base-patch32'];",
    }),
  ],
  [
    'README.md',
    "const sink = { name: 'log'",
    module(/^1 1\n$/, { after: "await sink.deliver({ jobId: '1', body: { embedding: [0] } });" }),
  ],
  [
    'README.md',
    'node dist/cli.js models pull',
    shell(/Xenova\/clip-vit-base-patch32/, {
      given:
        'clip-runner models pull openai/clip-vit-base-patch32; clip-runner models pull openai/clip-vit-large-patch14 --dtype q8',
    }),
  ],
  ['README.md', 'npm install @gutenye', READERS],
  ['README.md', 'node node_modules/onnxruntime-node', { why: 'downloads CUDA from a host that many networks block' }],
  ['README.md', 'clip-runner dlq list', shell(/01JD3Q6Z7W8X9Y0Z1A2B3C4D5E/, { given: DEAD })],
  ['README.md', 'clip-runner status', shell(/photo_tasks/)],
  [
    'docs/adding-a-sink.md',
    'const sink',
    module(/^1 m 1\n$/, {
      before: 'const save = async (...all) => console.log(all[0], all[1], all[2].length);',
      after: "await sink.deliver({ jobId: '1', body: { model: 'm', embedding: [0] } }, AbortSignal.timeout(1000));",
    }),
  ],
  ['docs/adding-a-task.md', '// A task of one', { by: 'integration/examples.test.ts', why: 'is examples/04-own-task' }],
  ['docs/captions.md', 'CAPTION_MODEL_NAME=', shell(/^$/, { env: { CAPTION_ENABLED: '1' } })],
  ['docs/captions.md', 'cd tools/export', TORCH],
  [
    'docs/captions.md',
    'const runner',
    module(/^string 64\n$/, { after: 'console.log(typeof text, embedding.length); await runner.stop();' }),
  ],
  ['docs/dead-letters.md', 'clip-runner dlq list', shell(/01JD3Q6Z7W8X9Y0Z1A2B3C4D5E/, { given: DEAD })],
  ['docs/dead-letters.md', 'import { deadLetters }', module(/ decode 7\n/, { given: DEAD })],
  ['docs/dead-letters.md', 'redis-cli --raw', shell(/"why": "why"/, { given: DEAD })],
  ['docs/embed-service.md', 'CLIP_MODELS=', shell(/"embedding":\[-?0\./)],
  [
    'docs/embed-service.md',
    'curl -s',
    shell(/"embeddings":\[\[.*\],\[[^]*"embedding":\[/, { given: 'EMBED_IMAGES=1 clip-runner serve' }),
  ],
  ['docs/embed-service.md', 'export EMBED_TOKEN=', shell(/"embedding":\[-?0\./)],
  ['docs/embed-service.md', 'location', { why: 'a part of the configuration of nginx, which the tests do not have' }],
  [
    'docs/embedding.md',
    'const {',
    module(/^function function function\n$/, {
      after: 'console.log(typeof createRunner, typeof memoryQueue, typeof memorySink);',
    }),
  ],
  ['docs/embedding.md', 'npx esbuild server.js --bundle --platform', PACKED],
  ['docs/embedding.md', 'npx esbuild server.js --bundle --splitting', PACKED],
  [
    'docs/events.md',
    'const unsubscribe',
    module(/^function\n$/, { before: RUNNER, after: 'console.log(typeof unsubscribe); await runner.stop();' }),
  ],
  ['docs/models.md', 'cd tools/export', TORCH],
  ['docs/models.md', 'clip-runner models pull', shell(/openai\/clip-vit-base-patch32/, { given: SOME_PHOTOS })],
  ['docs/models.md', '# Where there is', shell(/openai\/clip-vit-large-patch14/)],
  ['docs/observability.md', 'HEALTH_PORT=9464', shell(/clip_runner_jobs_total/)],
  ['docs/observability.md', 'max by', { by: 'unit/docs/observability.test.ts', why: "is read by Prometheus' grammar" }],
  [
    'docs/observability.md',
    'import { createMetrics',
    module(/^text\/plain[^]*clip_runner_jobs_total/, { after: 'await queue.close?.();' }),
  ],
  ['docs/observability.md', 'import { subscribe', module(/^1 clip\/clip-ViT-L-14 1 \d/, { after: ONE_JOB })],
  [
    'docs/observability.md',
    'import { traceWith',
    module(/^function\n$/, { after: 'console.log(typeof stop); stop();' }),
  ],
  ['docs/observability.md', 'export OTEL', { by: 'integration/traces.test.ts', why: 'needs a collector' }],
  ['docs/ocr.md', 'npm install @gutenye', READERS],
  ['docs/ocr.md', 'const runner', module(/\S+ 0\.\d+ \[/)],
  ['docs/operating.md', 'clip-runner init', shell(/Wrote \.env/, { given: 'rm -f .env' })],
  ['docs/operating.md', 'clip-runner doctor', DOCTOR],
  [
    'docs/operating.md',
    'ACL SETUSER',
    { by: 'integration/queue-redis-rights.test.ts', why: 'gives the runner these rights' },
  ],
  ['docs/operating.md', 'clip-runner status', shell(/photo_tasks/, { given: 'clip-runner photos; clip-runner texts' })],
  ['docs/operating.md', 'redis-cli LLEN', shell(/^\d+\n\d+\n/)],
  ['docs/operating.md', 'clip-runner dlq list', shell(/not_found/, { given: DEAD })],
  ['docs/people.md', 'export API_BASE_URL', shell(/would be made[^]*made \(id \d+\)/)],
  [
    'docs/people.md',
    'import { clusterFaces',
    module(/^\d\n$/, {
      before:
        'const faces = [1, 2].map((photoId) => ({ photoId, faceIndex: 0, embedding: new Float32Array([1, 0]) }));',
      after: 'console.log(people.length);',
    }),
  ],
  ['docs/people.md', 'd(A, B)', { why: 'a formula' }],
  ['docs/performance.md', 'npm run bench', { why: MINUTES }],
  ['docs/performance.md', '                                   median', OUTPUT],
  ['docs/performance.md', 'clip-runner doctor --tune', DOCTOR],
  ['docs/scaling.md', 'npm run bench', { why: MINUTES }],
  ['docs/scaling.md', '                                clients', OUTPUT],
  ['docs/scaling.md', 'redis-cli EVAL', shell(/^\d{7,}\n1\n$/)],
  ['docs/scaling.md', 'redis-cli LLEN', shell(/^\d+\n$/)],
  ['docs/scaling.md', 'docker build', { by: 'integration/deploy-image.test.ts', why: 'needs Docker' }],
  ['docs/searching.md', 'user ──', { why: 'a picture' }],
  ['docs/searching.md', 'clip-runner texts', shell(/^$/)],
  ['docs/searching.md', 'import { createRunner', module(/^$/, { after: 'await runner.stop();' })],
  ['docs/searching.md', 'export ACCESS_TOKEN', shell(/1 +42 +0\.1235 .*beach\.jpg/)],
  ['docs/searching.md', '1  42', { why: 'what the command above it prints' }],
  ['docs/soak.md', 'npm run soak', { by: 'integration/soak.test.ts', why: 'takes minutes; run there for a few jobs' }],
];

/** Every code block of the README and of docs/. The Chinese README has those of the English one, see readme.test.ts. */
export function documentedBlocks(): readonly LocatedBlock[] {
  const files = listDocuments().filter((file) => file === 'README.md' || file.startsWith('docs/'));
  return files.flatMap((file) => locatedBlocks(file));
}

/** The entry that begins as the block does; of several the longest. */
export function fateOf({ file, code }: LocatedBlock): (typeof FATES)[number] | undefined {
  const fits = FATES.filter(([of, begins]) => of === file && code.startsWith(begins));
  return fits.sort(([, a], [, b]) => b.length - a.length)[0];
}

/** A file of settings, as dotenv reads it. */
export function isSettings({ language, code }: LocatedBlock): boolean {
  return (
    language === 'sh' &&
    code
      .trimEnd()
      .split('\n')
      .every((line) => /^[A-Z_]+=\S*$/.test(line))
  );
}
