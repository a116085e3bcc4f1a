import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PhotoView } from '../photo-view.js';
import { callApi } from './api.js';

const UPLOADS = 4;
const LOOK_MS = 200;
const GIVE_UP_MS = 120_000;

export interface FillOptions {
  readonly url: string;
  readonly token: string;
  /** Folder of photos. */
  readonly photos: string;
  /** Settles when the runner works, or can't. */
  readonly started: Promise<void>;
  /** Ends it early, after the upload that is under way. */
  readonly signal: AbortSignal;
}

export interface FillOutcome {
  readonly photos: readonly PhotoView[];
  /** From the first upload, or the loaded models where they took longer, to the last result. */
  readonly tookMs: number;
  /** Whether each photo came to an end in time. */
  readonly isWhole: boolean;
}

/** Uploads the photos of a folder as a user does, and waits until each is processed or has failed. */
export async function fillGallery({ url, token, photos, started, signal }: FillOptions): Promise<FillOutcome> {
  const names = (await readdir(photos)).filter((name) => /\.(jpe?g|png|webp|gif|avif)$/i.test(name)).sort();
  if (names.length === 0) throw new Error(`There is no photo in ${photos}.`);
  const left = [...names];
  const upload = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined && !signal.aborted; name = left.shift()) {
      const body = await readFile(path.join(photos, name));
      await callApi(url, token, `/api/photos?name=${encodeURIComponent(name)}`, { body });
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: UPLOADS }, upload));
  const uploadedAt = performance.now();
  await started;
  for (;;) {
    const listed = (await callApi(url, token, '/api/photos')) as readonly PhotoView[];
    const isWhole = listed.every(({ tasks }) => tasks.every(({ state }) => state === 'done' || state === 'failed'));
    const now = performance.now();
    if (isWhole || signal.aborted || now - uploadedAt > GIVE_UP_MS)
      return { photos: listed, tookMs: now - startedAt, isWhole };
    await sleep(LOOK_MS);
  }
}
