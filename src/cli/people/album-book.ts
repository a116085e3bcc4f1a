import { readFile } from 'node:fs/promises';
import { RunnerError, systemCode } from '../../errors.js';
import { writeWhole } from '../../whole-file.js';
import { isObject } from '../search-hits.js';

const VERSION = 1;

/** An album that was made, or was being made when a run ended. */
export interface AlbumRecord {
  readonly name: string;
  /** As the server named it; null where it did not say. */
  readonly id: number | string | null;
  /** `pending`: it was asked for, and the server's answer is not known. */
  readonly state: 'made' | 'pending';
  /** Keys of the photos that were put into it. */
  readonly photos: readonly string[];
  /** `<photo key>/<index>` of the faces that are known to be of this person. */
  readonly faces: readonly string[];
  /** Of the model and settings that these faces were found with. */
  readonly identity: string;
}

/** The albums of former runs, in a small file, so that nobody gets a second one. */
export class AlbumBook {
  readonly #path: string;
  readonly #server: string;
  #albums: readonly AlbumRecord[];

  private constructor(path: string, server: string, albums: readonly AlbumRecord[]) {
    this.#path = path;
    this.#server = server;
    this.#albums = albums;
  }

  /**
   * Reads the file; one that is not there is an empty book.
   * @throws RunnerError `OPTIONS_INVALID` for a file that is something else, or is of another server
   */
  static async open(path: string, server: string): Promise<AlbumBook> {
    const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
      if (systemCode(thrown) === 'ENOENT') return undefined;
      throw unusable(path, `it can't be read (${systemCode(thrown) ?? 'unknown reason'})`, thrown);
    });
    if (text === undefined) return new AlbumBook(path, server, []);
    const content = parse(text);
    if (content === undefined) throw unusable(path, 'it is no file of albums that this version can read');
    if (content.server !== server) throw unusable(path, `it is of the server ${content.server}`);
    return new AlbumBook(path, server, content.albums);
  }

  get albums(): readonly AlbumRecord[] {
    return this.#albums;
  }

  /** Writes the file anew, as a whole. */
  async save(albums: readonly AlbumRecord[]): Promise<void> {
    this.#albums = albums;
    const content = { version: VERSION, server: this.#server, albums };
    await writeWhole(this.#path, `${JSON.stringify(content, null, 1)}\n`, 0o600);
  }
}

interface Content {
  readonly server: string;
  readonly albums: readonly AlbumRecord[];
}

function parse(text: string): Content | undefined {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(content)) return undefined;
  const { version, server, albums } = content;
  const isReadable = version === VERSION && typeof server === 'string' && Array.isArray(albums);
  return isReadable && albums.every(isRecord) ? { server, albums } : undefined;
}

function isRecord(value: unknown): value is AlbumRecord {
  if (!isObject(value)) return false;
  const { name, id, state, photos, faces, identity } = value;
  const isNamed = typeof name === 'string' && typeof identity === 'string';
  const isId = id === null || typeof id === 'number' || typeof id === 'string';
  return isNamed && isId && (state === 'made' || state === 'pending') && areTexts(photos) && areTexts(faces);
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}

function unusable(path: string, why: string, cause?: unknown): RunnerError {
  return new RunnerError(
    'OPTIONS_INVALID',
    `The state ${path} can't be used: ${why}. Name another file (--state), or move this one away: all albums are then made anew.`,
    { cause },
  );
}
