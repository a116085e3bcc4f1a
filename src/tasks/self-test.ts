import { RunnerError } from '../errors.js';
import type { Dtype } from '../model.js';

/** How far an input's vector in a batch may be from its vector alone (1 - cosine); quantised graphs scale per batch. */
const TOLERANCE = { fp32: 1e-4, fp16: 1e-2, q8: 5e-2 } as const;

/** What a graph that takes such inputs should be, for the messages. */
const KINDS = {
  picture: 'a CLIP image encoder',
  text: 'a CLIP text encoder',
  face: 'a face recogniser',
  photo: 'the image encoder of a captioner',
} as const;

/** What is tested, for the messages: `a photo of the image encoder in vision_model.onnx`. */
export interface TestSubject {
  readonly label: string;
  readonly file: string;
  readonly dtype: Dtype;
  readonly input: keyof typeof KINDS;
}

/**
 * Embeds two built-in samples before a model is called ready, and answers the length of its vectors. In as few runs as tell
 * enough: with a large model each takes seconds. The first sample goes alone, and then as the second of a batch, since a graph
 * that isn't made for batches is mostly right about the first.
 * @throws RunnerError `MODEL_SELF_TEST` where vectors are not finite, the same for both, or depend on their batch.
 */
export async function selfTest<Input>(
  embed: (inputs: readonly Input[]) => Promise<readonly (Float32Array | RunnerError)[]>,
  [sample, other]: readonly [Input, Input],
  subject: TestSubject,
  maxBatch: number,
): Promise<number> {
  const vectorsOf = async (inputs: readonly Input[]): Promise<readonly Float32Array[]> => {
    const vectors = await embed(inputs);
    return inputs.map((_, index) => usable(vectors[index], subject));
  };
  const [alone = new Float32Array()] = await vectorsOf([sample]);
  const [different = alone, again = alone] = await vectorsOf(maxBatch > 1 ? [other, sample] : [other]);
  if (cosineDistance(alone, different) < 1e-7) {
    throw failed(subject, `two different ${subject.input}s gave the same vector`);
  }
  const far = cosineDistance(alone, again);
  if (far <= TOLERANCE[subject.dtype]) return alone.length;
  throw failed(
    subject,
    `a ${subject.input}'s vector in a batch differs from its vector alone (1 - cosine = ${far.toExponential(1)})`,
  );
}

/** 1 - cosine of two unit vectors. */
export function cosineDistance(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += (a[i] ?? 0) * (b[i] ?? 0);
  return 1 - dot;
}

function usable(vector: Float32Array | RunnerError | undefined, subject: TestSubject): Float32Array {
  if (vector instanceof Float32Array) return vector;
  throw failed(subject, vector?.message ?? 'it gave no vector');
}

function failed({ label, file, input }: TestSubject, what: string): RunnerError {
  return new RunnerError(
    'MODEL_SELF_TEST',
    `The model "${label}" (${file}) failed its self-test: ${what}. The file may be damaged or not ${KINDS[input]}.`,
  );
}
