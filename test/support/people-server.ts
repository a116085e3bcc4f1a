import { ScriptedServer, type Reply, type ServerRequest } from './scripted-server.js';

export interface ListedPhoto {
  readonly id: unknown;
  readonly user_id?: number;
  readonly url?: unknown;
}

export interface PeopleServerSettings {
  /** The token of the user. @default 'jwt-of-a-user' */
  readonly accessToken?: string;
  readonly photos?: readonly ListedPhoto[];
  /** Wraps answers in `{"data": …}`, as some servers do. */
  readonly isWrapped?: boolean;
  /** Lists so many photos at a time. @default all */
  readonly pageSize?: number;
  /** The parameter that says which page: its number from 1, or how many photos to pass over. @default 'page' */
  readonly pageBy?: 'page' | 'offset';
  /** Photos that are listed but are another user's: no album may have them. */
  readonly foreign?: readonly unknown[];
  /** Decides before all else; undefined lets the gallery answer. */
  readonly respond?: (request: ServerRequest, server: PeopleServer) => Reply | undefined;
  readonly port?: number;
}

export interface Album {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly photo_ids: readonly unknown[];
}

/** A gallery for its user's tools: lists photos and makes albums, for the right token alone. */
export class PeopleServer extends ScriptedServer {
  readonly albums: Album[] = [];
  readonly accessToken: string;
  photos: readonly ListedPhoto[];
  respond: NonNullable<PeopleServerSettings['respond']>;
  readonly #settings: PeopleServerSettings;

  constructor(settings: PeopleServerSettings = {}) {
    super(settings.port === undefined ? {} : { port: settings.port });
    this.#settings = settings;
    this.accessToken = settings.accessToken ?? 'jwt-of-a-user';
    this.photos = settings.photos ?? [];
    this.respond = settings.respond ?? (() => undefined);
    this.script = (request) => this.respond(request, this) ?? this.answer(request);
  }

  /** What the gallery does by itself. */
  answer({ method, path, headers, body }: ServerRequest): Reply {
    if (headers.authorization !== `Bearer ${this.accessToken}`) return json(401, { error: 'bad token' });
    const url = new URL(path, 'http://gallery');
    if (method === 'GET' && url.pathname === '/api/photos') return json(200, this.#wrap(this.#page(url.searchParams)));
    if (method === 'POST' && url.pathname === '/api/albums') return this.#makeAlbum(body);
    return json(404, { error: 'no such call' });
  }

  #page(query: URLSearchParams): readonly ListedPhoto[] {
    const { pageSize, pageBy = 'page' } = this.#settings;
    if (pageSize === undefined) return this.photos;
    const start =
      pageBy === 'page' ? (Number(query.get('page') ?? 1) - 1) * pageSize : Number(query.get('offset') ?? 0);
    return this.photos.slice(start, start + pageSize);
  }

  #makeAlbum(body: unknown): Reply {
    const { name, description, photo_ids: ids, ...others } = body as Record<string, unknown>;
    const isNamed = typeof name === 'string' && name !== '' && typeof description === 'string';
    if (!isNamed || !Array.isArray(ids) || Object.keys(others).length > 0) return json(400, { error: 'bad album' });
    const foreign = this.#settings.foreign ?? [];
    const isOwn = (id: unknown): boolean => this.photos.some((photo) => photo.id === id) && !foreign.includes(id);
    if (!ids.every(isOwn)) return json(403, { error: "a photo is not the user's" });
    const album: Album = { id: this.albums.length + 1, name, description, photo_ids: ids };
    this.albums.push(album);
    return json(200, this.#wrap(album));
  }

  #wrap(value: unknown): unknown {
    return this.#settings.isWrapped === true ? { data: value } : value;
  }
}

function json(status: number, value: unknown): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}
