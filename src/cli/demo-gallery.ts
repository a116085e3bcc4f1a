import type { ReceivedEmbedding } from './demo-receiver.js';

/** What a gallery server does with embeddings: keeps them, and answers which photos are nearest to one. */
export class DemoGallery {
  readonly #files: readonly string[];
  readonly #received: ReadonlyMap<string, ReceivedEmbedding>;

  /** `files[n]` is the photo with the id `n + 1`. */
  constructor(files: readonly string[], received: ReadonlyMap<string, ReceivedEmbedding>) {
    this.#files = files;
    this.#received = received;
  }

  /** The photos nearest to a vector, as `cat-beach.jpg 0.41, …`; of two unit vectors the product is their cosine. */
  nearest(vector: ArrayLike<number>, { count = 3, except = '' } = {}): string {
    return [...this.#received.values()]
      .map(({ photoId, embedding }) => ({ file: this.fileOf(photoId), cosine: dot(embedding, vector) }))
      .filter(({ file }) => file !== except)
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, count)
      .map(({ file, cosine }) => `${file} ${cosine.toFixed(2)}`)
      .join(', ');
  }

  /** A line per photo: when its callback came, and which other photos are nearest. */
  table(startedAt: number, most: number): readonly string[] {
    const shown = this.#files.slice(0, most);
    const width = Math.max(...shown.map((file) => file.length));
    const lines = shown.map((file, index) => {
      const own = this.#received.get(String(index + 1));
      if (own === undefined) return `${file.padEnd(width)}  none`;
      const after = `${Math.round(own.receivedAt - startedAt)} ms`.padStart(14);
      return `${file.padEnd(width)}  ${after}  ${this.nearest(own.embedding, { except: file })}`;
    });
    const more = this.#files.length - shown.length;
    return [
      `${'photo'.padEnd(width)}  callback after  nearest neighbours (cosine)`,
      ...lines,
      ...(more > 0 ? [`… and ${more} more`] : []),
    ];
  }

  /** The name of a photo by its id. */
  fileOf(photoId: string): string {
    return this.#files[Number(photoId) - 1] ?? '';
  }
}

function dot(a: readonly number[], b: ArrayLike<number>): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}
