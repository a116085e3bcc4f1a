import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { createRunner, httpSink, type Queue, type Runner } from '../../dist/index.js';
import type { Database } from '../../examples/gallery/server/database/database.js';
import { openPglite } from '../../examples/gallery/server/database/pglite.js';
import { openPostgres } from '../../examples/gallery/server/database/postgres.js';
import { openGallery, type Gallery } from '../../examples/gallery/server/gallery.js';
import { openQueues } from '../../examples/gallery/server/open-queues.js';
import type { JobKind, JobQueues } from '../../examples/gallery/server/queues/job-queues.js';
import type { GallerySettings } from '../../examples/gallery/server/settings.js';
import { GALLERY } from './demo-people.js';
import { startPostgres } from './postgres-server.js';
import { startRedis } from './redis-server.js';

/** What a gallery can stand on; the same tests pass on both. */
export const BACKENDS = ['PGlite and the embedded queue', 'PostgreSQL and Redis'] as const;
export type Backend = (typeof BACKENDS)[number];

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** JSON where it is that, else the text. */
  readonly body: unknown;
}

interface Call {
  readonly method?: string;
  /** Bytes and texts are sent as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A gallery of one's own, on a database and queues of its own, and a runner where one is asked for. */
export class GalleryLab {
  static readonly token = 'internal-token-of-the-tests';
  readonly database: Database;
  readonly queues: JobQueues;
  readonly gallery: Gallery;
  readonly #folder: string;
  readonly #claimed: readonly Queue[];
  readonly #closing: (() => Promise<void>)[];
  #runner: Runner | undefined;

  private constructor(parts: {
    database: Database;
    queues: JobQueues;
    gallery: Gallery;
    folder: string;
    claimed: readonly Queue[];
    closing: (() => Promise<void>)[];
  }) {
    this.database = parts.database;
    this.queues = parts.queues;
    this.gallery = parts.gallery;
    this.#folder = parts.folder;
    this.#claimed = parts.claimed;
    this.#closing = parts.closing;
  }

  static async open(backend: Backend, settings: Partial<GallerySettings> = {}): Promise<GalleryLab> {
    const closing: (() => Promise<void>)[] = [];
    const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-gallery-'));
    closing.push(() => rm(folder, { recursive: true, force: true }));
    const names = { photos: 'photo_tasks', texts: 'text_tasks' };
    let redisUrl: string | undefined;
    let database: Database;
    if (backend === 'PostgreSQL and Redis') {
      const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
      closing.push(
        () => redis.stop(),
        () => postgres.stop(),
      );
      redisUrl = redis.url;
      database = await openPostgres(postgres.url);
    } else database = await openPglite();
    const { queues, claimed } = openQueues(redisUrl, names);
    closing.push(
      () => database.close(),
      () => queues.close(),
    );
    const gallery = await openGallery(database, queues, {
      folder,
      port: 0,
      secret: 'secret-of-the-tests',
      internalToken: GalleryLab.token,
      ...settings,
    });
    closing.push(() => gallery.close());
    return new GalleryLab({ database, queues, gallery, folder, claimed, closing });
  }

  /** A gallery whose photos are processed by the demo's models. */
  static async withRunner(backend: Backend): Promise<GalleryLab> {
    const settings = { model: 'demo', embeddingDim: 128, faceModel: 'demo', faceDim: 512, tasks: ['clip', 'face'] };
    const lab = await GalleryLab.open(backend, settings);
    await lab.#run();
    return lab;
  }

  get url(): string {
    return this.gallery.url;
  }

  /** The path of an uploaded file. */
  fileOf(url: string): string {
    return path.join(this.#folder, url);
  }

  async call(address: string, { method, body, headers = {} }: Call = {}): Promise<Answer> {
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
    const answer = await fetch(`${this.url}${address}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      redirect: 'manual',
      headers: { ...(body !== undefined && !isRaw && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: isRaw ? new Uint8Array(Buffer.from(body)) : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.includes('json') === true;
    return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
  }

  /** Calls as a runner does. */
  async callback(address: string, body: unknown, token = GalleryLab.token): Promise<number> {
    const headers = {
      'x-internal-token': token,
      ...(typeof body === 'string' && { 'content-type': 'application/json' }),
    };
    return (await this.call(`/api/internal${address}`, { body, headers })).status;
  }

  /** Calls as a user's tool does. */
  async user(name: string): Promise<LabUser> {
    return new LabUser(this, await this.gallery.tokenFor(name));
  }

  /** What waits in a queue, the next to be taken first. */
  async waiting(kind: JobKind): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const [photos, texts] = this.#claimed;
    const queue = kind === 'photos' ? photos : texts;
    await queue!.open();
    const claims = await queue!.claim(100, AbortSignal.timeout(300));
    await queue!.giveBack();
    return claims.map(({ raw }) => JSON.parse(raw.toString()) as Record<string, unknown>);
  }

  async close(): Promise<void> {
    await this.#runner?.stop();
    for (const close of [...this.#closing].reverse()) await close();
  }

  async #run(): Promise<void> {
    this.#runner = createRunner({
      queue: this.#claimed,
      sink: httpSink({ baseUrl: this.url, token: GalleryLab.token }),
      models: [{ label: 'demo', name: path.join(GALLERY, 'model') }],
      tasks: ['clip', 'face', 'text'],
      faceModel: path.join(GALLERY, 'faces'),
      faceLabel: 'demo',
      device: 'cpu',
      roots: [this.gallery.root],
    });
    this.gallery.follow(this.#runner);
    await this.#runner.start();
  }
}

/** A user's token at work. */
export class LabUser {
  readonly token: string;
  readonly #lab: GalleryLab;

  constructor(lab: GalleryLab, token: string) {
    this.#lab = lab;
    this.token = token;
  }

  call(address: string, call: Call = {}): Promise<Answer> {
    return this.#lab.call(address, { ...call, headers: { authorization: `Bearer ${this.token}`, ...call.headers } });
  }

  upload(bytes: Buffer, name = 'photo.png', type = 'image/png'): Promise<Answer> {
    const headers = { 'content-type': type };
    return this.call(`/api/photos?name=${encodeURIComponent(name)}`, { body: bytes, headers });
  }

  /** Uploads a photo; answers its id. */
  async add(name = 'photo.png', bytes?: Buffer): Promise<number> {
    const { status, body } = await this.upload(bytes ?? (await plainPicture()), name);
    if (status !== 201) throw new Error(`The upload was answered ${status}: ${JSON.stringify(body)}`);
    return (body as { id: number }).id;
  }
}

/** A picture of one colour, 64 x 48 pixels. */
export function plainPicture(background = '#3366aa'): Promise<Buffer> {
  return sharp({ create: { width: 64, height: 48, channels: 3, background } })
    .png()
    .toBuffer();
}
