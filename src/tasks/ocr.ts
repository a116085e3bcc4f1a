import { RunnerError } from '../errors.js';
import type { Delivery, Job } from '../job.js';
import type { OcrSettings } from '../model.js';
import { fitCanvas, fitDetection } from './ocr/canvas.js';
import type { Reading } from './ocr/ctc.js';
import { openTextDetector, type TextDetector } from './ocr/detector.js';
import { findBoxes } from './ocr/find-boxes.js';
import { languagesOf } from './ocr/languages.js';
import { CLASSIFIED_WIDTH, openOrientation, type OrientationClassifier } from './ocr/orientation.js';
import { inReadingOrder } from './ocr/reading-order.js';
import { mapCorners } from './ocr/rectangle.js';
import { openTextRecogniser, WIDEST_STRIP, type TextRecogniser } from './ocr/recogniser.js';
import { straighten } from './ocr/straighten.js';
import { fitStrip, turnOver, type Strip } from './ocr/strip.js';
import type { PhotoText, TextLine } from './ocr/text-line.js';
import type { Photo, Task, TaskContext, TaskUnit, UnitInfo } from './task.js';

/**
 * Texts in photos: lines, where they are, and what they say. One unit, one callback per photo, also for a photo without
 * text. The unit's value is a `PhotoText`.
 *
 * `prepare` finds the lines and cuts them out, so that the photo's pixels can go; `run` reads the lines of many photos
 * together.
 */
export const ocrTask: Task = {
  name: 'ocr',
  input: 'image',

  async open(context) {
    return [await openUnit(settingsOf(context), context)];
  },

  deliver(value, job, unit) {
    return [textDelivery(value as PhotoText, job, unit)];
  },

  warningOf(value) {
    const { read, dropped } = value as PhotoText;
    if (dropped === 0) return undefined;
    return `${read + dropped} lines of text were found, and the best ${read} of them read (maxLinesPerPhoto)`;
  },
};

/** A photo on its way through the unit: its pixels are gone, but for those of its lines. */
interface FoundText {
  readonly lines: readonly CutLine[];
  /** Lines beyond the limit. */
  readonly dropped: number;
}

interface CutLine extends Pick<TextLine, 'corners'> {
  readonly strip: Strip;
  /** The same, squeezed into what the classifier takes. */
  readonly small: Strip;
}

/** Lines that count as one place of a batch: a line is a small part of a photo's work. */
const LINES_PER_PLACE = 4;

function settingsOf({ ocr }: TaskContext): OcrSettings {
  if (ocr !== undefined) return ocr;
  throw new RunnerError('OPTIONS_INVALID', 'The task "ocr" was opened without a model: set ocrModel.');
}

async function openUnit(settings: OcrSettings, context: TaskContext): Promise<TaskUnit<FoundText>> {
  const { detectionFile, recognitionFile, orientationFile, characters, name } = settings.model;
  const detection = await context.openSession(detectionFile);
  const recognition = await context.openSession(recognitionFile);
  const detector = await openTextDetector(detection, detectionFile);
  const options = { file: recognitionFile, characters, maxBatch: context.maxBatch };
  const recogniser = await openTextRecogniser(recognition, options);
  const orientation = orientationFile === undefined ? undefined : await openOrientation(context, orientationFile);
  const reader: Reader = { recogniser, orientation, threshold: settings.threshold };
  return {
    label: settings.label,
    modelName: name,
    device: recognition.device,
    weigh: ({ lines }) => lines.length / LINES_PER_PLACE,
    prepare: (photo) => findText(detector, photo as Photo, settings),
    releasesInput: true,
    run: (photos) => readPhotos(reader, photos),
    async close() {
      await Promise.all([detection.close(), recognition.close(), orientation?.close()]);
    },
  };
}

async function findText(detector: TextDetector, photo: Photo, settings: OcrSettings): Promise<FoundText> {
  const canvas = fitCanvas(photo, settings.size);
  const found = findBoxes(await detector.detect(fitDetection(canvas)), canvas, settings.boxThreshold);
  const best = [...found].sort((one, other) => other.score - one.score).slice(0, settings.maxPerPhoto);
  const lines = inReadingOrder(best).map(({ corners }): CutLine => {
    const line = straighten(canvas, corners);
    return {
      corners: mapCorners(corners, canvas.toPhoto),
      strip: fitStrip(line, WIDEST_STRIP),
      small: fitStrip(line, CLASSIFIED_WIDTH),
    };
  });
  return { lines, dropped: found.length - best.length };
}

interface Reader {
  readonly recogniser: TextRecogniser;
  readonly orientation: OrientationClassifier | undefined;
  /** The least confidence of a line. */
  readonly threshold: number;
}

/** Reads all photos' lines in as few runs as the batch allows. */
async function readPhotos(
  { recogniser, orientation, threshold }: Reader,
  photos: readonly FoundText[],
): Promise<readonly (PhotoText | RunnerError)[]> {
  const lines = photos.flatMap((photo) => photo.lines);
  const turned = await orientation?.areUpsideDown(lines.map(({ small }) => small));
  const readings = await recogniser.read(
    lines.map(({ strip }, index) => (turned?.[index] === true ? turnOver(strip) : strip)),
  );
  let next = 0;
  return photos.map(({ lines: own, dropped }): PhotoText | RunnerError => {
    const answers = readings.slice(next, (next += own.length));
    const failed = answers.find((reading) => reading instanceof RunnerError);
    if (failed !== undefined) return failed;
    const all = own.map(({ corners }, index): TextLine => ({ ...(answers[index] as Reading), corners }));
    const sure = all.filter(({ text, confidence }) => text !== '' && confidence >= threshold);
    return { lines: sure, read: own.length, dropped };
  });
}

function textDelivery({ lines }: PhotoText, job: Job, unit: UnitInfo): Delivery {
  const text = lines.map((line) => line.text).join('\n');
  const items = lines.map((line) => ({ text: line.text, conf: line.confidence, bbox: line.corners }));
  const ocr = { text, items, lang: languagesOf(text), source: 'clip_runner' };
  return {
    jobId: job.id,
    unit: `${unit.task}/${unit.label}`,
    path: `/api/internal/photos/${job.id}/ml_result`,
    body: {
      ml_result: { ocr_text: text, ...(lines.length === 0 ? {} : { ocr }) },
      processing_status: 'done',
    },
  };
}
