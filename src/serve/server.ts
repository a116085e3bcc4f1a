import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RunnerError, systemCode } from '../errors.js';
import { Deadline } from '../lifecycle.js';
import { addDocument, createApp } from './app.js';
import { decompress } from './decompress.js';
import { addImageRoute, addTextRoutes } from './embed-routes.js';
import type { EmbedEngine } from './engine.js';
import { isSafeHost } from '../host-name.js';
import { resolveEmbedServerOptions, type EmbedServerOptions } from './options.js';
import { Refusal, busy } from './refusal.js';
import { buildSchemas, modelNames } from './schemas.js';
import { createTokenCheck } from './token.js';
import { WaitingRoom, type RoomState } from './waiting-room.js';
import { addWatchRoutes, type MetricsPage } from './watch-routes.js';

/** What a server tells: answers (status 499 where the client hung up first), and failures that are its own. */
export interface ServerListener {
  readonly onAnswer?: (answer: { readonly route: string; readonly status: number; readonly ms: number }) => void;
  readonly onFailure?: (thrown: unknown) => void;
}

/** The status under which an answer is counted that nobody waited for. */
const HUNG_UP = 499;
/** Time that connections without a whole request get to end in, once every answer is sent. */
const LINGER_MS = 250;

/**
 * Makes an embed service over an engine. It listens from `listen()` on; requests are refused with 503 until the engine is
 * ready.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export async function createEmbedServer(
  engine: EmbedEngine,
  options: Partial<EmbedServerOptions> = {},
  listener: ServerListener = {},
  metrics?: MetricsPage,
): Promise<EmbedServer> {
  const resolved = resolveEmbedServerOptions(options);
  const onFailure = (thrown: unknown): void => listener.onFailure?.(thrown);
  const app = await createApp(resolved, { onFailure, models: modelNames(engine.models).join(', ') });
  const server = new EmbedServer(app, engine, resolved, listener);
  await server.open(metrics);
  return server;
}

export class EmbedServer {
  readonly #engine: EmbedEngine;
  readonly #options: EmbedServerOptions;
  readonly #listener: ServerListener;
  readonly #texts: WaitingRoom<string>;
  readonly #images: WaitingRoom<Uint8Array>;
  readonly #isAllowed: (authorization: string | undefined) => boolean;
  readonly #app: FastifyInstance;
  #isStopping = false;
  #underWay = 0;
  #onIdle: () => void = () => undefined;
  #stopped: Promise<void> | undefined;

  constructor(app: FastifyInstance, engine: EmbedEngine, options: EmbedServerOptions, listener: ServerListener) {
    const { capacity, maxBatch } = engine;
    const { maxWaiting, token } = options;
    this.#app = app;
    this.#engine = engine;
    this.#options = options;
    this.#listener = listener;
    this.#isAllowed = token === '' ? () => true : createTokenCheck(token);
    const embedTexts: EmbedEngine['embedTexts'] = (texts, label) => engine.embedTexts(texts, label);
    const embedImages = engine.embedImages ?? (() => Promise.resolve([]));
    this.#texts = new WaitingRoom({
      embed: embedTexts,
      capacity: capacity.texts,
      maxBatch: maxBatch.texts,
      maxWaiting,
    });
    this.#images = new WaitingRoom({
      embed: embedImages,
      capacity: capacity.images,
      maxBatch: maxBatch.images,
      maxWaiting,
    });
  }

  /** Adds hooks, document and routes; called once, by `createEmbedServer()`. */
  async open(metrics: MetricsPage | undefined): Promise<void> {
    const app = this.#app;
    const { models, embedImages } = this.#engine;
    const { token, stuckAfterMs } = this.#options;
    // A longer list would never find room.
    const maxTexts = Math.min(this.#options.maxTexts, this.#options.maxWaiting);
    app.addHook('onRequest', (request, reply, done) => {
      this.#follow(request, reply);
      done(this.#refusalFor(request));
    });
    app.addHook('preParsing', decompress);
    app.addHook('onSend', (_request, reply, _payload, done) => {
      // A client that keeps its connection would hold up the stop.
      if (this.#isStopping) reply.header('connection', 'close');
      done();
    });
    await addDocument(app, token !== '');
    const hasImages = embedImages !== undefined;
    const schemas = buildSchemas({ models, maxTexts, hasToken: token !== '', hasImages });
    const parts = { engine: this.#engine, options: this.#options, schemas };
    addTextRoutes(app, { ...parts, room: this.#texts });
    await app.register((scope, _options, done) => {
      addImageRoute(scope, { ...parts, room: this.#images });
      done();
    });
    const hindrance = (): string | undefined => this.#hindrance();
    addWatchRoutes(app, { schemas, rooms: Object.values(this.rooms), stuckAfterMs, hindrance, metrics });
    await app.ready();
  }

  /**
   * Answers the URL that it listens on.
   * @throws RunnerError `PORT_UNAVAILABLE`
   */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    try {
      return await this.#app.listen({ host, port });
    } catch (cause) {
      const code = systemCode(cause) ?? 'unknown';
      const why = code === 'EADDRINUSE' ? 'another program listens there' : code;
      const advice = 'Choose another with --port (EMBED_PORT) or --host (EMBED_HOST).';
      throw new RunnerError('PORT_UNAVAILABLE', `Can't listen on ${host} port ${port}: ${why}. ${advice}`, { cause });
    }
  }

  /** What waits and runs, by lane. */
  get rooms(): Readonly<Record<'text' | 'image', RoomState>> {
    return { text: this.#texts, image: this.#images };
  }

  /**
   * Takes no more requests, finishes those under way, and closes every connection; what is not done by the deadline is
   * cut off. Idempotent.
   */
  stop(deadline: Deadline): Promise<void> {
    this.#stopped ??= this.#stop(deadline);
    return this.#stopped;
  }

  async #stop(deadline: Deadline): Promise<void> {
    this.#isStopping = true;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    if (this.#underWay === 0) this.#onIdle();
    await deadline.reaches(idle, (totalMs) => totalMs - LINGER_MS);
    const closed = this.#app.close();
    await new Deadline(LINGER_MS).reaches(closed, (totalMs) => totalMs);
    this.#app.server.closeAllConnections();
    await closed;
  }

  /** Notes when a request comes and when it is over, however that is. */
  #follow(request: FastifyRequest, { raw }: FastifyReply): void {
    const startedAt = performance.now();
    this.#underWay += 1;
    raw.once('close', () => {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onIdle();
      this.#listener.onAnswer?.({
        route: request.routeOptions.url ?? 'none',
        status: raw.writableFinished ? raw.statusCode : HUNG_UP,
        ms: performance.now() - startedAt,
      });
    });
  }

  /** Decided before the body is read. */
  #refusalFor(request: FastifyRequest): Refusal | undefined {
    const { token, host } = this.#options;
    if (token === '' && !isSafeHost(request.headers.host, host)) {
      return new Refusal(421, 'Without a token only addresses and names without a dot are answered; set EMBED_TOKEN.');
    }
    if (request.is404) return this.#unknownRoute(request);
    if (request.routeOptions.url?.startsWith('/embed_') !== true) return undefined;
    if (!this.#isAllowed(request.headers.authorization)) {
      return new Refusal(401, 'Expected the token of this service.', { 'www-authenticate': 'Bearer' });
    }
    const hindrance = this.#hindrance();
    if (hindrance !== undefined) return busy(hindrance);
    return this.#underWay > this.#options.maxWaiting ? busy('Too many requests are under way.') : undefined;
  }

  #unknownRoute({ method, url }: FastifyRequest): Refusal {
    const [path = ''] = url.split('?', 1);
    const allowed = (['GET', 'POST'] as const).filter((known) => this.#app.hasRoute({ method: known, url: path }));
    if (allowed.length === 0) return new Refusal(404, 'There is nothing here; /docs shows what there is.');
    const allow = allowed.map((known) => (known === 'GET' ? 'GET, HEAD' : known)).join(', ');
    return new Refusal(405, `${method} is not possible here; ${allow} is.`, { allow });
  }

  /** What keeps it from taking work. */
  #hindrance(): string | undefined {
    if (this.#isStopping) return 'The service is stopping.';
    return this.#engine.isReady() ? undefined : 'The models are being loaded.';
  }
}
