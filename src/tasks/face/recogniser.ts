import { RunnerError } from '../../errors.js';
import type { Session } from '../../tensor.js';
import { normalise } from '../normalise.js';
import { selfTest } from '../self-test.js';
import { CROP_BYTES, CROP_SIDE } from './align.js';
import { describeTensor, pickPictureInput } from '../graph-input.js';
import { centredPlanes, rawPlanes, writePlanes } from '../image/planes.js';

/** Makes vectors of aligned faces. */
export interface Recogniser {
  /** Length of the vectors. */
  readonly dimension: number;
  /** The graph's own batch where it takes no other. */
  readonly fixedBatch: number | undefined;
  /**
   * One unit vector per aligned face (`112 x 112 x 3` bytes), or a `RunnerError` (`RUN_BAD_OUTPUT`) where the graph
   * answered with NaN, infinity or zeros. Any number of faces; they go in runs of `maxBatch`, or of the graph's own batch.
   * @throws RunnerError `RUN_FAILED`
   */
  embed(crops: readonly Uint8Array[]): Promise<readonly (Float32Array | RunnerError)[]>;
}

export interface RecogniserOptions {
  /** For messages. */
  readonly label: string;
  readonly file: string;
  /** `raw`: the graph takes 0 to 255 and centres them itself (SFace); `centred`: (value - 127.5) / 127.5 (ArcFace). */
  readonly pixels: 'centred' | 'raw';
  readonly maxBatch: number;
}

/**
 * Reads from the graph what it wants, and tests it: finite, unit-length, non-constant vectors, and a batch that equals
 * its faces one by one.
 * @throws RunnerError `MODEL_INVALID` | `MODEL_SELF_TEST`
 */
export async function openRecogniser(session: Session, options: RecogniserOptions): Promise<Recogniser> {
  const { label, file } = options;
  const input = pickPictureInput(session, { width: CROP_SIDE, height: CROP_SIDE }, file);
  const [output] = session.outputs;
  if (output === undefined || session.outputs.length !== 1) {
    const found = session.outputs.map(describeTensor).join(', ');
    throw new RunnerError('MODEL_INVALID', `${file}: expected one output [batch, dimension], got ${found}.`);
  }
  const format = options.pixels === 'raw' ? rawPlanes('rgb') : centredPlanes(127.5);
  const maxBatch = input.fixedBatch ?? options.maxBatch;

  async function embedSome(crops: readonly Uint8Array[]): Promise<readonly (Float32Array | RunnerError)[]> {
    const rows = input.fixedBatch ?? crops.length;
    const data = new Float32Array(rows * CROP_BYTES);
    crops.forEach((crop, index) => writePlanes(data, index * CROP_BYTES, crop, format));
    const outputs = await session.run({
      [input.name]: { type: 'float32', data, dims: [rows, 3, CROP_SIDE, CROP_SIDE] },
    });
    const embeddings = outputs[output?.name ?? ''];
    if (embeddings === undefined) throw new RunnerError('RUN_FAILED', 'The face recogniser gave no output.');
    return crops.map((_, index) => normalise(embeddings, index));
  }

  async function embed(crops: readonly Uint8Array[]): Promise<readonly (Float32Array | RunnerError)[]> {
    const vectors: (Float32Array | RunnerError)[] = [];
    for (let start = 0; start < crops.length; start += maxBatch) {
      vectors.push(...(await embedSome(crops.slice(start, start + maxBatch))));
    }
    return vectors;
  }

  const samples = [testFace(0), testFace(1)] as const;
  const dimension = await selfTest(embed, samples, { label, file, dtype: 'fp32', input: 'face' }, maxBatch);
  return { dimension, fixedBatch: input.fixedBatch, embed };
}

/** Waves over a square of the size of a face, differing by seed. */
function testFace(seed: number): Uint8Array {
  return Uint8Array.from(
    { length: CROP_BYTES },
    (_, i) => 127 + 60 * Math.sin((i * (seed + 1)) / 997) + 40 * Math.cos(i / 13),
  );
}
