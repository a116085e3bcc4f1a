import { readFile } from 'node:fs/promises';
import { resolveCaptionModel } from '../../src/models/resolve-caption.js';
import { openOnnxSession } from '../../src/pool/session.js';
import { openCaptioner } from '../../src/tasks/caption/captioner.js';
import { decodePhoto } from '../../src/tasks/image/decode.js';
import { cropPixels } from '../../src/tasks/image/preprocess.js';
import type { RunControl } from '../../src/tasks/task.js';

const SETTINGS = {
  ...({ orientation: 'apply', resample: 'exact' } as const),
  ...{ roots: [], maxFileBytes: 1e9, maxPixels: 1e8, decodeTimeoutMs: 30_000 },
  ...{ decodeConcurrency: 1, blockDecoders: false },
};

/** Of a run that nobody stops. */
export const UNSTOPPED: RunControl = { throwIfStopped: () => undefined };

/** The ids of each picture's sentence as `generate` of transformers gives them, the first one included. */
export async function captionIds(
  folder: string,
  pictures: readonly string[],
  { maxNewTokens, batch }: { readonly maxNewTokens: number; readonly batch: number },
): Promise<(readonly number[])[]> {
  const model = await resolveCaptionModel(folder);
  const session = { device: 'cpu', strictDevice: false, intraOpThreads: 2 } as const;
  const openSession = (file: string): ReturnType<typeof openOnnxSession> => openOnnxSession(file, session);
  const captioner = await openCaptioner({ openSession, model, maxNewTokens, maxBatch: batch });
  try {
    const all: (readonly number[])[] = [];
    for (let start = 0; start < pictures.length; start += batch) {
      const photos = pictures.slice(start, start + batch).map(async (file) => {
        const photo = await decodePhoto(await readFile(file), { settings: SETTINGS, need: 'full' });
        return cropPixels(photo, model.preprocess);
      });
      for (const ids of await captioner.describe(await Promise.all(photos), UNSTOPPED)) {
        if (ids instanceof Error) throw ids;
        all.push([model.startId, ...ids]);
      }
    }
    return all;
  } finally {
    await captioner.close();
  }
}
