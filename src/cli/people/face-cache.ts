import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Face } from '../../tasks/face/face.js';
import { writeWhole } from '../../whole-file.js';

/** Stands in the folder's name: what another version wrote is never read. */
const VERSION = 1;

/** Vectors of faces tell who a person is: they are for the user's own eyes. */
const MODE = 0o600;

/** What is kept of a face: all but its landmarks. */
export type KnownFace = Pick<Face, 'box' | 'score' | 'quality' | 'embedding'>;

/**
 * Faces of photos by the content of their files, in a folder: one small file per photo, below a folder for each model and
 * its settings. Two processes may share it.
 */
export class FaceCache {
  readonly #folder: string;

  /** @param identity of the model and all settings that faces depend on */
  constructor(folder: string, identity: string) {
    this.#folder = join(folder, `faces-v${VERSION}-${identity}`);
  }

  /** The faces of a file with that hash; undefined where they are not there or are damaged. */
  async read(hash: string): Promise<readonly KnownFace[] | undefined> {
    const text = await readFile(this.#pathOf(hash), 'utf8').catch(() => '');
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    if (end < 0 || text.slice(0, end) !== checksum(body)) return undefined;
    return (JSON.parse(body) as StoredFace[]).map(revive);
  }

  async write(hash: string, faces: readonly KnownFace[]): Promise<void> {
    const body = JSON.stringify(faces.map(store));
    await writeWhole(this.#pathOf(hash), `${checksum(body)}\n${body}`, MODE);
  }

  #pathOf(hash: string): string {
    return join(this.#folder, hash.slice(0, 2), `${hash}.json`);
  }
}

interface StoredFace extends Omit<KnownFace, 'embedding'> {
  /** Base64 of little-endian float32. */
  readonly embedding: string;
}

function store({ box, score, quality, embedding }: KnownFace): StoredFace {
  const bytes = Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength);
  return { box, score, quality, embedding: bytes.toString('base64') };
}

function revive({ embedding, ...rest }: StoredFace): KnownFace {
  const bytes = Uint8Array.from(Buffer.from(embedding, 'base64'));
  return { ...rest, embedding: new Float32Array(bytes.buffer) };
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}
