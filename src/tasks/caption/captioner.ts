import { RunnerError } from '../../errors.js';
import type { CaptionModel, Device } from '../../model.js';
import type { Session } from '../../tensor.js';
import { normalise } from '../normalise.js';
import { selfTest } from '../self-test.js';
import type { RunControl } from '../task.js';
import { testPictures } from '../test-pictures.js';
import { openTokenizer } from '../tokenizer/tokenizer.js';
import { readDecoderGraph, type DecoderGraph } from './decoder-graph.js';
import { idTensor, openEmbedder, type Embedder } from './embedder.js';
import { generate } from './generate.js';
import { oneByOne, openPictureEncoder, type EncodedPictures, type PictureEncoder } from './picture-encoder.js';
import { openPromptedEncoder } from './prompted-encoder.js';

/** Describes pictures in a sentence. */
export interface Captioner {
  /** Device that its decoder runs on. */
  readonly device: Device;
  /**
   * Per picture (`cropPixels()`), the ids of its sentence (first id left out), or
   * the failure of that picture alone (`RUN_BAD_OUTPUT`).
   * @throws RunnerError `RUN_FAILED`; `RUNNER_STOPPED` where `control` stops it between two steps
   */
  describe(pictures: readonly Uint8Array[], control: RunControl): Promise<readonly (readonly number[] | RunnerError)[]>;
  close(): Promise<void>;
}

export interface CaptionerOptions {
  readonly model: CaptionModel;
  /** Ids after the first, at most. */
  readonly maxNewTokens: number;
  readonly maxBatch: number;
  readonly openSession: (file: string) => Promise<Session>;
}

/** The self-test is a part of loading, which is ended otherwise. */
const UNSTOPPED: RunControl = { throwIfStopped: () => undefined };

/** Ids of each sample's sentence in the self-test. */
const SAMPLE_TOKENS = 3;

/**
 * Opens a captioner's graphs, reads from them what they want, and tests them: states that are finite, differ by picture and
 * don't depend on the batch, and sentences of a few ids.
 * @throws RunnerError `MODEL_INVALID` | `MODEL_SELF_TEST`
 */
export async function openCaptioner(options: CaptionerOptions): Promise<Captioner> {
  const { model, maxNewTokens, maxBatch } = options;
  const { encoder: whole, decoder, embed, sessions } = await openGraphs(options);
  const encoder = whole.device === 'cpu' ? oneByOne(whole) : whole;
  const { startId, endId, rules, decoderFile: file } = model;
  const graph = readDecoderGraph(decoder, encoder.outputs, file);
  const feedTokens = pickTokenFeed(graph, embed, model);
  const describe = async (
    pictures: readonly Uint8Array[],
    limit: number,
    control: RunControl = UNSTOPPED,
  ): ReturnType<Captioner['describe']> => {
    const generation = {
      session: decoder,
      graph,
      file,
      startId,
      endId,
      maxNewTokens: limit,
      rules,
      feedTokens,
      control,
    };
    return generate(await encoder.encode(pictures, control), pictures.length, generation);
  };
  const samples = testPictures(model.preprocess);
  const states = async (pictures: readonly Uint8Array[]): Promise<readonly (Float32Array | RunnerError)[]> =>
    pictures.map(stateVectors(await encoder.encode(pictures, UNSTOPPED), model));
  const { name: label, encoderFile, dtype } = model;
  await selfTest(states, samples, { label, file: encoderFile, dtype, input: 'photo' }, maxBatch);
  const failed = (await describe(samples, SAMPLE_TOKENS)).find((sample) => sample instanceof RunnerError);
  if (failed !== undefined)
    throw new RunnerError('MODEL_SELF_TEST', `The model "${label}" (${file}) failed its self-test: ${failed.message}`);
  return {
    device: decoder.device,
    describe: (pictures, control) => describe(pictures, maxNewTokens, control),
    async close() {
      await Promise.all(sessions.map((session) => session.close()));
    },
  };
}

interface Graphs {
  readonly encoder: PictureEncoder;
  readonly decoder: Session;
  /** Where the model keeps its table of ids in a graph of its own. */
  readonly embed: Embedder | undefined;
  readonly sessions: readonly Session[];
}

/** The only place that tells captioners that are asked in words from others. */
async function openGraphs({ model, openSession }: CaptionerOptions): Promise<Graphs> {
  const { prompt } = model;
  const pictureSession = await openSession(model.encoderFile);
  const decoder = await openSession(model.decoderFile);
  const pictures = openPictureEncoder(pictureSession, model);
  if (prompt === undefined)
    return { encoder: pictures, decoder, embed: undefined, sessions: [pictureSession, decoder] };

  const { text, embedderFile, encoderFile: file } = prompt;
  const embedder = await openSession(embedderFile);
  const session = await openSession(file);
  const embed = openEmbedder(embedder, embedderFile);
  const tokenizer = await openTokenizer(model.tokenizerFolder);
  const promptIds = tokenizer.encode(text, model.maxPositions);
  const encoder = await openPromptedEncoder({ pictures, session, embed, promptIds, file });
  return { encoder, decoder, embed, sessions: [pictureSession, decoder, embedder, session] };
}

function pickTokenFeed({ tokens }: DecoderGraph, embed: Embedder | undefined, { decoderFile }: CaptionModel): Embedder {
  if (tokens.name === 'input_ids') return (rows) => Promise.resolve(idTensor(rows, tokens.type));
  if (embed !== undefined) return embed;
  throw new RunnerError(
    'MODEL_INVALID',
    `${decoderFile}: it takes inputs_embeds, but its config.json is not that of a captioner with embed_tokens (Florence-2).`,
  );
}

/** Each picture's states as one unit vector, for the self-test. */
function stateVectors(
  outputs: EncodedPictures,
  { encoderFile }: CaptionModel,
): (picture: Uint8Array, row: number) => Float32Array | RunnerError {
  const states = outputs['last_hidden_state'];
  if (states === undefined)
    throw new RunnerError(
      'MODEL_INVALID',
      `${encoderFile}: expected an output last_hidden_state [batch, places, width].`,
    );
  const rows = states.dims[0] ?? 1;
  return (_, row) => normalise({ ...states, dims: [rows, states.data.length / rows] }, row);
}
