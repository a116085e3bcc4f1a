import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

export const SIGLIP = fixture('models/siglip-tiny');
export const CLIP = fixture('models/clip-tiny');
export const BLIP = fixture('models/blip-tiny');
export const VIT_GPT2 = fixture('models/vit-gpt2-tiny');
export const FLORENCE2 = fixture('models/florence2-tiny');
export const IMAGES = fixture('images');

/** The files of a folder by their paths in it, as a repository of the hub server has them. */
export async function readFolder(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [relative(folder, file), await readFile(file)] as const)),
  );
}

interface Golden {
  readonly models: Readonly<
    Record<
      string,
      { readonly images: Readonly<Record<string, { readonly views: Record<string, { embedding?: number[] }> }>> }
    >
  >;
}

const golden = JSON.parse(readFileSync(fixture('golden/images.json'), 'utf8')) as Golden;

/** The embedding that the Python reference gives for a picture of the fixtures, as a person sees it (EXIF applied). */
export function goldenEmbedding(model: 'clip-tiny' | 'siglip-tiny', image: string, view?: string): readonly number[] {
  const views = golden.models[model]?.images[image]?.views ?? {};
  const embedding = (view === undefined ? (views['exif'] ?? views['pil']) : views[view])?.embedding;
  if (embedding === undefined) throw new Error(`no golden embedding of ${image} for ${model}`);
  return embedding;
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
}

export function photoJob(id: number | string, path: string, tasks: readonly string[] = ['clip']): string {
  return JSON.stringify({ photo_id: id, user_id: 1, path, tasks });
}
