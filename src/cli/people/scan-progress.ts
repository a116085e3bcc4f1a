import { coerceError } from '../../errors.js';
import { bar, duration } from '../progress.js';
import { FaceCache } from './face-cache.js';
import type { GalleryPhoto } from './gallery-photos.js';
import type { PeoplePlan, PeopleTools } from './plan.js';
import { scanPhotos, type Scan, type ScanCounts } from './scan-photos.js';

const LOG_EVERY_MS = 10_000;

/** Finds the faces of all photos, with a bar on a terminal and log lines elsewhere. */
export async function scanWithProgress(
  photos: readonly GalleryPhoto[],
  identity: string,
  { options, cacheFolder }: PeoplePlan,
  { detector, log, terminal, signal }: PeopleTools,
): Promise<Scan> {
  const { roots, maxFileBytes, maxBatch, threads } = options;
  const startedAt = performance.now();
  let counts: ScanCounts = { done: 0, faces: 0, cached: 0, missing: 0, failed: 0 };
  const timer = setInterval(() => {
    if (!terminal.isTerminal) log.info({ ...counts, of: photos.length }, 'progress');
  }, LOG_EVERY_MS);
  let hasCacheFailed = false;
  try {
    return await scanPhotos(photos, {
      ...{ roots, maxFileBytes, signal },
      // Each thread has a batch that runs and one that is prepared ahead.
      maxPhotos: 2 * maxBatch * threads,
      cache: cacheFolder === undefined ? undefined : new FaceCache(cacheFolder, identity),
      detect: (bytes) => detector.detect(bytes),
      onCounts: (now) => {
        counts = { ...now };
        terminal.progress(progressLine(counts, photos.length, performance.now() - startedAt));
      },
      onCacheFailure: (thrown) => {
        if (!hasCacheFailed) log.warn(`faces can't be kept (--cache): ${coerceError(thrown).message}`);
        hasCacheFailed = true;
      },
    });
  } finally {
    clearInterval(timer);
    terminal.progress('');
  }
}

/** `[=====               ] 120 of 480 photos · 14.2 photos/s · 310 faces · cached 12 · missing 3 · failed 1 · 26 s left` */
export function progressLine(
  { done, faces, cached, missing, failed }: ScanCounts,
  total: number,
  elapsedMs: number,
): string {
  const perSecond = (done / elapsedMs) * 1000;
  const parts = [
    `${done} of ${total} photos`,
    `${perSecond.toFixed(1)} photos/s`,
    `${faces} faces`,
    ...Object.entries({ cached, missing, failed }).flatMap(([word, count]) => (count > 0 ? [`${word} ${count}`] : [])),
    ...(done < total ? [`${duration((total - done) / perSecond)} left`] : []),
  ];
  return `${bar(done / total)} ${parts.join(' · ')}`;
}
