import { RunnerError } from '../errors.js';
import type { ClipModel } from '../model.js';

/** How far a photo's vector in a batch may be from its vector alone (1 - cosine); quantised graphs scale per batch. */
const TOLERANCE = { fp32: 1e-4, fp16: 1e-2, q8: 5e-2 } as const;

/**
 * Embeds built-in pictures before a model is called ready, and answers the length of its vectors.
 * @throws RunnerError `MODEL_SELF_TEST` where vectors are not finite, all the same, or depend on their batch.
 */
export async function selfTest(
  embed: (tensors: readonly Float32Array[]) => Promise<readonly (Float32Array | RunnerError)[]>,
  model: ClipModel,
  maxBatch: number,
): Promise<number> {
  const { width, height } = model.preprocess.crop;
  const pictures = [0, 1, 2].map((seed) => testPicture(seed, 3 * width * height));
  const alone: Float32Array[] = [];
  for (const picture of pictures) alone.push(usable((await embed([picture]))[0], model));
  const [first, second] = alone;
  if (first === undefined || second === undefined) throw failed(model, 'it gave no vector');
  if (distance(first, second) < 1e-7) throw failed(model, 'two different pictures gave the same vector');
  if (maxBatch > 1) {
    const together = await embed(pictures.slice(0, Math.min(maxBatch, pictures.length)));
    together.forEach((vector, index) => {
      const far = distance(usable(vector, model), alone[index] ?? first);
      if (far <= TOLERANCE[model.dtype]) return;
      throw failed(
        model,
        `a picture's vector in a batch differs from its vector alone (1 - cosine = ${far.toExponential(1)})`,
      );
    });
  }
  return first.length;
}

/** Normalised pixels of a plausible range that differ by seed: a slow wave, so that resizing or channel order matter. */
function testPicture(seed: number, length: number): Float32Array {
  return Float32Array.from(
    { length },
    (_, i) => Math.sin((i * (seed + 1)) / 997) * 1.5 + Math.cos(i / (13 + 7 * seed)) * 0.5,
  );
}

function usable(vector: Float32Array | RunnerError | undefined, model: ClipModel): Float32Array {
  if (vector instanceof Float32Array) return vector;
  throw failed(model, vector?.message ?? 'it gave no vector');
}

function distance(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += (a[i] ?? 0) * (b[i] ?? 0);
  return 1 - dot;
}

function failed(model: ClipModel, what: string): RunnerError {
  return new RunnerError(
    'MODEL_SELF_TEST',
    `The model "${model.label}" (${model.visionFile}) failed its self-test: ${what}. The file may be damaged or not a CLIP image encoder.`,
  );
}
