import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

export interface SearchCall {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

type Answer = (request: FastifyRequest, reply: FastifyReply) => unknown;

export interface SearchServerSettings {
  /** The token of the user. @default 'jwt-of-a-user' */
  readonly accessToken?: string;
  /** Wraps answers in `{"data": …}`, as some servers do. */
  readonly isWrapped?: boolean;
  /** What it finds, nearest first. @default three photos */
  readonly found?: readonly unknown[];
  /** With a text: how often it answers `pending` first. @default 0 */
  readonly pendingTimes?: number;
  /** Whether `GET /api/search/text/:id` is there. @default false */
  readonly hasCallById?: boolean;
  /** In place of all that. */
  readonly answer?: Answer;
}

const FOUND = [
  { photo: { id: 42, url: '/uploads/original/beach.jpg', user_id: 1 }, distance: 0.1234567 },
  { photo: { id: '9007199254740993', url: 'https://cdn.example/x.jpg' }, distance: 0.5 },
  { photo: { id: 7, url: 'uploads/original/海 边.jpg' }, distance: 1 },
] as const;

/** A gallery's search: checks the token and the bodies, and keeps every call. */
export class SearchServer {
  readonly calls: SearchCall[] = [];
  readonly accessToken: string;
  readonly #app: FastifyInstance = Fastify();
  readonly #settings: SearchServerSettings;
  #pending: number;
  #url = '';

  constructor(settings: SearchServerSettings = {}) {
    this.#settings = settings;
    this.accessToken = settings.accessToken ?? 'jwt-of-a-user';
    this.#pending = settings.pendingTimes ?? 0;
    this.#app.addHook('preHandler', (request, reply, done) => {
      const { method, url: path, headers, body } = request;
      this.calls.push({ method, path, authorization: headers.authorization, body });
      if (settings.answer === undefined && headers.authorization !== `Bearer ${this.accessToken}`)
        reply.code(401).send({ error: `not a token: ${headers.authorization ?? ''}` });
      else done();
    });
    const route = (method: 'GET' | 'POST', url: string, answer: Answer): void => {
      this.#app.route({ method, url, handler: (request, reply) => (settings.answer ?? answer)(request, reply) });
    };
    route('POST', '/api/search/vector', (request, reply) => this.#byVector(request.body, reply));
    route('POST', '/api/search/text', (request, reply) => this.#byText(request.body, reply));
    if (settings.hasCallById === true) route('GET', '/api/search/text/:id', () => this.#textAnswer());
  }

  get url(): string {
    return this.#url;
  }

  async listen(): Promise<this> {
    this.#url = await this.#app.listen({ host: '127.0.0.1', port: 0 });
    return this;
  }

  async close(): Promise<void> {
    this.#app.server.closeAllConnections();
    await this.#app.close();
  }

  #byVector(body: unknown, reply: FastifyReply): unknown {
    const { embedding, model, modality, limit, ...others } = body as Record<string, unknown>;
    const isRight =
      Array.isArray(embedding) && embedding.length === 64 && embedding.every(Number.isFinite) && modality === 'text';
    if (!isRight || typeof model !== 'string' || !Number.isInteger(limit) || Object.keys(others).length > 0)
      return reply.code(400).send({ error: 'bad vector' });
    return this.#wrap((this.#settings.found ?? FOUND).slice(0, Number(limit)));
  }

  #byText(body: unknown, reply: FastifyReply): unknown {
    const { query, model, limit, ...others } = body as Record<string, unknown>;
    const isRight = typeof query === 'string' && (model === undefined || typeof model === 'string');
    if (!isRight || !Number.isInteger(limit) || Object.keys(others).length > 0)
      return reply.code(400).send({ error: 'bad text' });
    return this.#textAnswer();
  }

  #textAnswer(): unknown {
    if (this.#pending-- > 0) return this.#wrap({ id: 77, status: 'pending' });
    return this.#wrap({ id: 77, status: 'done', result: this.#settings.found ?? FOUND });
  }

  #wrap(value: unknown): unknown {
    return this.#settings.isWrapped === true ? { data: value } : value;
  }
}
