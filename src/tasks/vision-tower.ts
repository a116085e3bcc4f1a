import { RunnerError } from '../errors.js';
import type { ClipModel, ImagePreprocess } from '../model.js';
import type { Session, TensorInfo } from '../tensor.js';
import { floatTensor } from './floats.js';
import { pictureBatch } from './image/picture-batch.js';
import { normalise } from './normalise.js';
import { selfTest } from './self-test.js';
import { testPictures } from './test-pictures.js';

/** A model whose vision side is there. */
export type VisionModel = ClipModel & Required<Pick<ClipModel, 'visionFile' | 'preprocess'>>;

/** The image side of a CLIP-like model: pixels in, unit vectors out. */
export interface VisionTower {
  /** Length of the vectors. */
  readonly dimension: number;
  /** The graph's own batch where it takes no other. */
  readonly fixedBatch: number | undefined;
  /**
   * One unit vector (`Float32Array` of `dimension`) per picture (`cropPixels()`), or a `RunnerError` (`RUN_BAD_OUTPUT`) where the model answered with NaN, infinity or zeros for that picture alone.
   * @throws RunnerError `RUN_FAILED`
   */
  embed(pictures: readonly Uint8Array[]): Promise<readonly (Float32Array | RunnerError)[]>;
}

/** Names of the output that holds the projected embedding, in the order of preference; exporters differ. */
const EMBEDDING_OUTPUTS = ['image_embeds', 'image_features', 'embedding', 'embeddings', 'pooler_output', 'output'];

/**
 * Reads from the graph what it wants, and tests it: finite, unit-length, non-constant vectors, and a batch that equals
 * its photos one by one.
 * @throws RunnerError `MODEL_INVALID` | `MODEL_SELF_TEST`
 */
export async function openVisionTower(session: Session, model: VisionModel, maxBatch: number): Promise<VisionTower> {
  const input = pickInput(session, model);
  checkSides(input, model);
  const output = pickOutput(session, model);
  const fixedBatch = typeof input.shape[0] === 'number' && input.shape[0] > 0 ? input.shape[0] : undefined;
  const embed = embedder({ session, input, output, preprocess: model.preprocess, fixedBatch });
  const subject = { label: model.label, file: model.visionFile, dtype: model.dtype, input: 'picture' } as const;
  const dimension = await selfTest(embed, testPictures(model.preprocess), subject, fixedBatch ?? maxBatch);
  return { dimension, fixedBatch, embed };
}

function pickInput(session: Session, model: VisionModel): TensorInfo {
  const pictures = session.inputs.filter(({ shape }) => shape.length === 4);
  const [input] = pictures;
  if (input === undefined || pictures.length > 1 || session.inputs.length > 1) {
    const found = session.inputs.map(({ name, shape }) => `${name}[${shape.join(',')}]`).join(', ');
    throw new RunnerError(
      'MODEL_INVALID',
      `${model.visionFile}: expected a vision graph with one input of four axes (batch, channels, height, width), got ${found}.`,
    );
  }
  if (input.type !== 'float32' && input.type !== 'float16') {
    throw new RunnerError(
      'MODEL_INVALID',
      `${model.visionFile}: expected float32 or float16 pixels, got ${input.type}.`,
    );
  }
  return input;
}

function checkSides(input: TensorInfo, model: VisionModel): void {
  const { crop } = model.preprocess;
  const expected = [3, crop.height, crop.width];
  const fits = expected.every((side, index) => {
    const axis = input.shape[index + 1];
    return typeof axis !== 'number' || axis < 0 || axis === side;
  });
  if (fits) return;
  throw new RunnerError(
    'MODEL_INVALID',
    `${model.visionFile} wants pictures of [${input.shape.slice(1).join(',')}], but its preprocessing configuration makes ` +
      `[${expected.join(',')}]: the two files don't belong together.`,
  );
}

function pickOutput(session: Session, model: VisionModel): string {
  const flat = session.outputs.filter(({ shape }) => shape.length === 2);
  const named = EMBEDDING_OUTPUTS.find((name) => flat.some((output) => output.name === name));
  const name = named ?? (flat.length === 1 ? flat[0]?.name : undefined);
  if (name !== undefined) return name;
  const found = session.outputs.map((output) => `${output.name}[${output.shape.join(',')}]`).join(', ');
  throw new RunnerError(
    'MODEL_INVALID',
    `${model.visionFile}: expected an output [batch, dimension] with the embedding, got ${found}.`,
  );
}

interface Graph {
  readonly session: Session;
  readonly input: TensorInfo;
  readonly output: string;
  readonly preprocess: ImagePreprocess;
  readonly fixedBatch: number | undefined;
}

function embedder(graph: Graph): VisionTower['embed'] {
  const { width, height } = graph.preprocess.crop;
  const batch = pictureBatch(graph.preprocess);
  return async (pictures) => {
    const rows = graph.fixedBatch ?? pictures.length;
    const feed = floatTensor(batch.join(pictures, rows), [rows, 3, height, width], graph.input.type);
    const outputs = await graph.session.run({ [graph.input.name]: feed });
    const embeddings = outputs[graph.output];
    if (embeddings === undefined) throw new RunnerError('RUN_FAILED', `The model gave no output "${graph.output}".`);
    return pictures.map((_, index) => normalise(embeddings, index));
  };
}
