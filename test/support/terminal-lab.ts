import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BLIP, FLORENCE2, readFolder, SIGLIP } from './fixtures.js';
import { type GalleryServer, startGalleryServer } from './gallery-server.js';
import { startHubServer } from './hub-server.js';
import { MARKER } from './marked-picture.js';
import { listed, PeopleGallery } from './people-gallery.js';
import { type Ending, plainEnvironment, Program, ROOT } from './program.js';
import { freePort, startRedis } from './redis-server.js';
import { SearchServer } from './search-server.js';

const CLI = path.join(ROOT, 'dist', 'cli.js');
/** Commands that go on until they are told to end. */
const SERVICES = 'photos|texts|serve';

/**
 * `clip-runner` as a reader has it, who opens a terminal for each service and waits for its line `ready`, looks at
 * `--watch` for a moment, and says yes to what is asked. The log is emptied before the service is there, so that the line
 * is never that of the service before.
 */
const COMMAND = `#!/usr/bin/env bash
set -euo pipefail
case "$1" in
  search) export API_BASE_URL="$LAB_SEARCH" ACCESS_TOKEN=jwt-of-a-user ;;
  people) export API_BASE_URL="$LAB_PEOPLE" ACCESS_TOKEN=jwt-of-a-user PROJECT_ROOT="$LAB_PHOTOS" ;;
esac
case "$1 \${2-}" in
  'dlq purge' | 'models remove') set -- "$@" --yes ;;
  'status --watch') exec timeout --foreground --preserve-status --signal INT 3 node '${CLI}' "$@" ;;
esac
case "$1" in
  ${SERVICES}) ;;
  *) exec node '${CLI}' "$@" ;;
esac
if [ -f "$LAB/$1.pid" ]; then
  kill -KILL "$(cat "$LAB/$1.pid")" 2>/dev/null || true
fi
: >"$LAB/$1.log"
nohup node '${CLI}' "$@" >>"$LAB/$1.log" 2>&1 </dev/null &
echo $! >"$LAB/$1.pid"
until grep -q '"msg":"ready"' "$LAB/$1.log"; do
  kill -0 $! 2>/dev/null || { cat "$LAB/$1.log" >&2; exit 1; }
  sleep 0.05
done
`;

/**
 * What the documents take for granted, on free ports: Redis, a gallery, a hub, photos, models by the names of the documents
 * (small ones), and the `.env` of the README.
 */
export class TerminalLab {
  /** What the services post to. */
  readonly gallery: GalleryServer;
  readonly #folder: string;
  readonly #env: Record<string, string>;
  readonly #replaced: readonly (readonly [string, string])[];
  readonly #closers: readonly (() => Promise<unknown>)[];
  readonly #flush: () => Promise<unknown>;

  private constructor(
    gallery: GalleryServer,
    folder: string,
    env: Record<string, string>,
    replaced: readonly (readonly [string, string])[],
    flush: () => Promise<unknown>,
    closers: readonly (() => Promise<unknown>)[],
  ) {
    this.gallery = gallery;
    this.#folder = folder;
    this.#env = env;
    this.#replaced = replaced;
    this.#flush = flush;
    this.#closers = closers;
  }

  static async open(): Promise<TerminalLab> {
    const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-terminal-'));
    const [redis, gallery, hub, people] = await Promise.all([
      startRedis(),
      startGalleryServer(),
      startHubServer(),
      PeopleGallery.create(),
    ]);
    const search = new SearchServer();
    await search.listen();
    const ids = [1, 2, 3, 4];
    await people.draw({ 1: ['ann'], 2: ['ann'], 3: ['ann', 'bob'], 4: ['bob'] });
    const albums = await people.serve({ photos: listed(ids) });
    const files = await readFolder(SIGLIP);
    files['onnx/vision_model_quantized.onnx'] = files['onnx/vision_model.onnx']!;
    files['onnx/text_model_quantized.onnx'] = files['onnx/text_model.onnx']!;
    // The documents name OpenAI's repositories; what is in them for onnxruntime lies beside them.
    for (const owner of ['openai', 'Xenova'])
      for (const name of ['clip-vit-large-patch14', 'clip-vit-base-patch32']) hub.put(`${owner}/${name}`, files);
    makeCommands(folder, redis.port);
    const [embedPort, healthPort] = [await freePort(), await freePort()];
    const env = plainEnvironment({
      PATH: `${path.join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
      HOME: path.join(folder, 'home'),
      LAB: folder,
      LAB_SEARCH: search.url,
      LAB_PEOPLE: albums.url,
      LAB_PHOTOS: people.home,
      HF_ENDPOINT: hub.url,
      EMBED_PORT: String(embedPort),
      PROCESSING_EMBEDDING_DIM: '64',
      CLIP_DEVICE: 'cpu',
      CAPTION_ENABLED: '0',
      OCR_ENABLED: '0',
      FACE_MODEL_NAME: MARKER,
      FACE_DISTANCE_THRESHOLD: '0.001',
      // The embed service of the documents is not always there.
      PROCESSING_TEXT_EMBED_URL: 'none',
    });
    const replaced = [
      ['redis://127.0.0.1:6379/0', redis.url],
      ['http://127.0.0.1:5800', gallery.url],
      ['the-token-of-the-server', gallery.token],
      ['/srv/gallery', path.join(folder, 'project')],
      ['127.0.0.1:8001', `127.0.0.1:${embedPort}`],
      ['clip.example:8001', `127.0.0.1:${embedPort}`],
      ['9464', String(healthPort)],
      ['node dist/cli.js', 'clip-runner'],
      ['ACCESS_TOKEN=…', 'ACCESS_TOKEN=a'],
      // The library reads no variable.
      ['redisQueue()', `redisQueue({ url: '${redis.url}' })`],
      ['redisQueue({ jobs', `redisQueue({ url: '${redis.url}', jobs`],
    ] as const;
    const closers = [
      () => redis.stop(),
      () => gallery.close(),
      () => hub.close(),
      () => search.close(),
      () => people.close(),
      () => rm(folder, { recursive: true, force: true }),
    ];
    return new TerminalLab(gallery, folder, env, replaced, () => redis.client().flushall(), closers);
  }

  /** A project folder as a document's reader has it at its beginning; nothing in Redis and no service. */
  async begin(): Promise<void> {
    this.#endServices();
    await this.#flush();
    const project = path.join(this.#folder, 'project');
    await rm(project, { recursive: true, force: true });
    await rm(path.join(this.#folder, 'home'), { recursive: true, force: true });
    mkdirSync(path.join(project, 'uploads', 'original'), { recursive: true });
    mkdirSync(path.join(project, 'node_modules', '@opentelemetry'), { recursive: true });
    mkdirSync(path.join(this.#folder, 'home'));
    writeFileSync(path.join(project, 'package.json'), '{ "type": "module" }');
    symlinkSync(ROOT, path.join(project, 'node_modules', 'clip-runner'));
    copyFileSync(path.join(ROOT, 'examples/04-own-task/average-color.js'), path.join(project, 'average-color.js'));
    copyFileSync(path.join(ROOT, 'test/fixtures/ocr/sign_en.png'), path.join(project, 'sign.jpg'));
    const picture = path.join(ROOT, 'examples/photos/chelsea.jpg');
    for (const name of ['one.jpg', 'two.png', 'beach.jpg', 'photo.jpg', 'uploads/original/x.jpg'])
      copyFileSync(picture, path.join(project, name));
  }

  /** Writes the `.env`, which a block may have changed. */
  configure(settings: string): void {
    writeFileSync(path.join(this.#folder, 'project', '.env'), this.#fill(settings));
  }

  /** Puts models into the project under the names of the hub, for those that would come from another hub than that of the lab. */
  addModels(): void {
    const project = path.join(this.#folder, 'project');
    const models = {
      'openai/clip-vit-large-patch14': SIGLIP,
      'openai/clip-vit-base-patch32': SIGLIP,
      'Salesforce/blip-image-captioning-base': BLIP,
      'onnx-community/Florence-2-base-ft': FLORENCE2,
    };
    for (const [name, folder] of Object.entries(models)) {
      const at = path.join(project, name);
      mkdirSync(path.dirname(at), { recursive: true });
      if (!existsSync(at)) symlinkSync(folder, at);
    }
  }

  /** So that those names mean the hub again. */
  removeModels(): void {
    for (const owner of ['openai', 'Salesforce', 'onnx-community'])
      rmSync(path.join(this.#folder, 'project', owner), { recursive: true, force: true });
  }

  shell(script: string, env: Readonly<Record<string, string>> = {}): Promise<Ending> {
    const args = ['-euo', 'pipefail', '-c', this.#fill(script)];
    return this.#run('bash', args, env);
  }

  /** `before` and `after` stand in the same module. */
  module(code: string, before = '', after = ''): Promise<Ending> {
    const names = ['createRunner', 'memoryQueue', 'memorySink', 'redisQueue', 'httpSink'];
    const needed = /\brequire\(|from 'clip-runner'/.test(code)
      ? []
      : [`import { ${names.join(', ')} } from 'clip-runner';`];
    const reader = `import { readFile } from 'node:fs/promises';`;
    const parts = code.includes('require(') ? [code, after] : [...needed, reader, before, code, after];
    const file = path.join(this.#folder, 'project', code.includes('require(') ? 'block.cjs' : 'block.js');
    writeFileSync(file, this.#fill(parts.join('\n')));
    return this.#run(process.execPath, ['--env-file=.env', file], {});
  }

  /** What the services wrote; for the message of a test that fails. */
  logs(): string {
    const files = readdirSync(this.#folder).filter((name) => name.endsWith('.log'));
    return files.map((name) => `${name}:\n${readFileSync(path.join(this.#folder, name), 'utf8')}`).join('\n');
  }

  async close(): Promise<void> {
    this.#endServices();
    for (const close of this.#closers) await close();
  }

  #run(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ending> {
    const cwd = path.join(this.#folder, 'project');
    return new Program(command, args, { cwd, env: { ...this.#env, ...env } }).end();
  }

  #fill(text: string): string {
    return this.#replaced.reduce((filled, [from, to]) => filled.replaceAll(from, to), text);
  }

  #endServices(): void {
    for (const name of readdirSync(this.#folder).filter((file) => file.endsWith('.pid'))) {
      try {
        process.kill(Number(readFileSync(path.join(this.#folder, name), 'utf8')), 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }
}

function makeCommands(folder: string, redisPort: number): void {
  const bin = path.join(folder, 'bin');
  mkdirSync(bin);
  const commands = {
    'clip-runner': COMMAND,
    'redis-cli': `#!/bin/sh\nPATH="\${PATH#*:}" exec redis-cli -p ${redisPort} "$@"\n`,
  };
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(path.join(bin, name), script);
    chmodSync(path.join(bin, name), 0o755);
  }
}
