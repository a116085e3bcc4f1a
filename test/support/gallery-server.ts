import { ScriptedServer, type Reply, type ServerRequest } from './scripted-server.js';

export interface GallerySettings {
  /** The token that callbacks must carry. @default 'gallery-test-token' */
  readonly token?: string;
  /** Photo or request ids that it no longer knows: 404. */
  readonly gone?: readonly string[];
  /** Decides before all else, e.g. an outage; undefined lets the gallery answer. */
  readonly respond?: (request: ServerRequest, index: number) => Reply | undefined;
  readonly port?: number;
  /** @default '127.0.0.1' */
  readonly host?: string;
}

/** A callback that the gallery took. */
export interface GalleryCallback {
  readonly kind: 'ml_result' | 'faces' | 'text_query';
  /** The photo or request it is for. */
  readonly id: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly atMs: number;
  /** Address of the runner. */
  readonly from: string;
}

const PHOTO = /^\/api\/internal\/photos\/(\d+)\/(ml_result|faces)$/;
const QUERY = /^\/api\/internal\/text_queries\/(\d+)$/;

/** Stands in for the gallery: takes callbacks as it does (200, 400, 401, 404) and remembers them. */
export async function startGalleryServer(settings: GallerySettings = {}): Promise<GalleryServer> {
  const gallery = new GalleryServer(settings);
  await gallery.listen();
  return gallery;
}

export class GalleryServer extends ScriptedServer {
  readonly token: string;
  readonly callbacks: GalleryCallback[] = [];
  readonly #gone: ReadonlySet<string>;
  readonly #respond: NonNullable<GallerySettings['respond']>;

  constructor({ token = 'gallery-test-token', gone = [], respond, ...address }: GallerySettings) {
    super(address);
    this.token = token;
    this.#gone = new Set(gone);
    this.#respond = respond ?? (() => undefined);
    this.script = (request, index) =>
      this.#respond(request, index) ?? { status: this.#take(request), body: '{"ok":true}' };
  }

  /** Callbacks for one photo or request, in the order in which they came. */
  callbacksFor(id: string | number): readonly GalleryCallback[] {
    return this.callbacks.filter((callback) => callback.id === String(id));
  }

  #take({ method, path, headers, body, atMs, from }: ServerRequest): number {
    if (headers['x-internal-token'] !== this.token) return 401;
    const photo = PHOTO.exec(path);
    const id = photo?.[1] ?? QUERY.exec(path)?.[1];
    if (method !== 'POST' || id === undefined || this.#gone.has(id)) return 404;
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return 400;
    const kind = photo === null ? 'text_query' : (photo[2] as 'ml_result' | 'faces');
    this.callbacks.push({ kind, id, body: body as Record<string, unknown>, atMs, from });
    return 200;
  }
}
