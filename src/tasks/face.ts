import { RunnerError } from '../errors.js';
import type { Delivery, Job } from '../job.js';
import type { FaceSettings } from '../model.js';
import { alignFace, enlargement } from './face/align.js';
import { clampBox, type Detection } from './face/detection.js';
import { openDetector, type Detector } from './face/detector.js';
import type { Face, PhotoFaces } from './face/face.js';
import { findFaces } from './face/find-faces.js';
import { gatherRuns } from './face/gather.js';
import { judgeFace } from './face/quality.js';
import { openRecogniser, type Recogniser } from './face/recogniser.js';
import { releasePhoto } from './image/release.js';
import type { Photo, Task, TaskContext, TaskUnit, UnitInfo } from './task.js';

/**
 * Faces: where they are, and a vector of each. One unit, one callback per photo, also for a photo without a face. The
 * unit's value is a `PhotoFaces`.
 *
 * `prepare` detects and cuts the aligned faces out of the photo, so that its pixels can go; `run` makes the vectors of the
 * faces of many photos together. Where a large JPEG may be decoded `reduced`, a photo with a small face is decoded once more.
 */
export const faceTask: Task = {
  name: 'face',
  aliases: ['faces'],
  input: 'image',

  async open(context) {
    return [await openUnit(settingsOf(context), context)];
  },

  deliver(value, job, unit) {
    return [facesDelivery(value as PhotoFaces, job, unit)];
  },

  warningOf(value) {
    const { faces, dropped } = value as PhotoFaces;
    if (dropped === 0) return undefined;
    return `${faces.length + dropped} faces were found, and the best ${faces.length} of them kept (maxFacesPerPhoto)`;
  },
};

/** A photo on its way through the unit: its pixels are gone, but for those of its faces. */
interface FoundFaces {
  readonly faces: readonly CutFace[];
  /** Faces beyond the limit. */
  readonly dropped: number;
}

interface CutFace extends Omit<Face, 'embedding'> {
  readonly crop: Uint8Array;
}

/**
 * The most that a face of a shrunk photo may be enlarged. Measured with the same landmarks against full decoding, on 321 faces
 * in photos of 4000 pixels: up to here the median cosine of two vectors is 0.994 or more, from 1.5 to 2 it is 0.984, and
 * from 2 to 3 it is 0.970.
 */
const MOST_ENLARGEMENT = 1.25;

function settingsOf({ faces }: TaskContext): FaceSettings {
  if (faces !== undefined) return faces;
  throw new RunnerError('OPTIONS_INVALID', 'The task "face" was opened without a face model: set faceModel.');
}

async function openUnit(settings: FaceSettings, context: TaskContext): Promise<TaskUnit<FoundFaces>> {
  const { model, label, size, threshold } = settings;
  const { maxBatch } = context;
  const detection = await context.openSession(model.detectionFile, { arena: false });
  const recognition = await context.openSession(model.recognitionFile, { arena: false });
  const detector = await openDetector(detection, { file: model.detectionFile, side: size, maxBatch, threshold });
  const { recognitionFile: file, recognitionPixels: pixels } = model;
  const recogniser = await openRecogniser(recognition, { label, file, pixels, maxBatch });
  const find = finder(detector, settings);
  return {
    label,
    modelName: model.name,
    device: recognition.device,
    dimension: recogniser.dimension,
    ...(recogniser.fixedBatch === undefined ? {} : { fixedBatch: recogniser.fixedBatch }),
    weigh: ({ faces }) => faces.length,
    ...(settings.decode === 'full' ? {} : { minPixels: { width: size, height: size, mode: 'inside', orFull: true } }),
    prepare: (photo) => find(photo as Photo),
    releasesInput: true,
    run: (photos) => recognise(recogniser, photos, settings.extras),
    async close() {
      await Promise.all([detection.close(), recognition.close()]);
    },
  };
}

function finder(detector: Detector, settings: FaceSettings): (photo: Photo) => Promise<FoundFaces> {
  const { size: side, maxOverlap, ladder, maxPerPhoto } = settings;
  const detect = gatherRuns((squares: readonly Uint8Array[]) => detector.detect(squares), detector.maxBatch);
  return async (photo) => {
    const found = await findFaces(photo, { side, maxOverlap, ladder, detect });
    const kept = found.slice(0, maxPerPhoto);
    const pixels = await pixelsFor(kept, photo);
    const faces = kept.flatMap((detection) => cutFace(pixels, detection));
    if (pixels !== photo) releasePhoto(pixels);
    return { faces, dropped: Math.max(0, found.length - maxPerPhoto) };
  };
}

/**
 * The photo that the faces are cut out of: decoded in full where it was shrunk and one of them would have to be enlarged too
 * much. Then all of them have the pixels that full decoding gives.
 */
async function pixelsFor(faces: readonly Detection[], photo: Photo): Promise<Photo> {
  const isTooSmall = ({ landmarks }: Detection): boolean => enlargement(photo, landmarks) > MOST_ENLARGEMENT;
  return photo.inFull !== undefined && faces.some(isTooSmall) ? photo.inFull() : photo;
}

/** None where the landmarks are all on one spot. */
function cutFace(photo: Photo, detection: Detection): readonly CutFace[] {
  const crop = alignFace(photo, detection.landmarks);
  if (crop === undefined) return [];
  const box = clampBox(detection.box, photo.originalWidth, photo.originalHeight);
  return [{ ...detection, box, quality: judgeFace({ ...detection, box }, crop), crop }];
}

/** The vectors of all photos' faces in as few runs as the batch allows. */
async function recognise(
  recogniser: Recogniser,
  photos: readonly FoundFaces[],
  isExtended: boolean,
): Promise<readonly (PhotoFaces | RunnerError)[]> {
  const embeddings = await recogniser.embed(photos.flatMap(({ faces }) => faces.map(({ crop }) => crop)));
  let next = 0;
  return photos.map(({ faces, dropped }): PhotoFaces | RunnerError => {
    const own = embeddings.slice(next, (next += faces.length));
    const failed = own.find((embedding) => embedding instanceof RunnerError);
    if (failed !== undefined) return failed;
    const named = faces.map(({ box, score, landmarks, quality }, index) => {
      return { box, score, landmarks, quality, embedding: own[index] as Float32Array };
    });
    return { faces: named, dropped, isExtended };
  });
}

function facesDelivery({ faces, isExtended }: PhotoFaces, job: Job, unit: UnitInfo): Delivery {
  return {
    jobId: job.id,
    unit: `${unit.task}/${unit.label}`,
    path: `/api/internal/photos/${job.id}/faces`,
    body: {
      faces: faces.map(({ embedding, box, landmarks, score, quality }) => ({
        embedding: Array.from(embedding, nineDigits),
        model: unit.label,
        bbox: box,
        ...(isExtended ? { landmarks, score, quality } : {}),
      })),
    },
  };
}

/**
 * The number that JSON writes with nine significant digits: they tell every 32-bit number from every other. With all digits
 * of the 64-bit number 200 faces would exceed 2 MiB, which many servers allow.
 */
function nineDigits(value: number): number {
  return Number(value.toPrecision(9));
}
