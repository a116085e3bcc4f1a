import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** How the hub names a file's content: large files by SHA-256, small ones by the SHA-1 of their git blob. */
export interface ContentHash {
  readonly kind: 'sha256' | 'git';
  /** Lower-case hexadecimal; also the name of the file in the cache's `blobs`. */
  readonly hex: string;
}

/** Tells by its form what kind of hash a text is; undefined when it is none, so that it can't name a file. */
export function parseContentHash(text: string): ContentHash | undefined {
  if (/^[0-9a-f]{64}$/.test(text)) return { kind: 'sha256', hex: text };
  if (/^[0-9a-f]{40}$/.test(text)) return { kind: 'git', hex: text };
  return undefined;
}

/** Begins a hash over a file's content; a git blob's hash starts with its length. */
export function startHash(kind: ContentHash['kind'], sizeBytes: number): Hash {
  return kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${sizeBytes}\0`);
}

/** Hashes a file from its start to its end. */
export async function hashFile(path: string, hash: Hash, signal?: AbortSignal): Promise<string> {
  for await (const chunk of createReadStream(path, { signal }) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
