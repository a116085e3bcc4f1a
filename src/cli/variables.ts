import { RunnerError } from '../errors.js';
import { DEVICES, DTYPES } from '../model.js';

/**
 * Every setting of the commands: its environment variable, its flag, its default and how its text is read. A flag
 * overrides the variable; the variable overrides the default. `docs/configuration.md` is made from this table.
 */
export interface Variable<T> {
  readonly env: string;
  readonly flag: string;
  readonly help: string;
  /** As text, as it would stand in the environment. */
  readonly default: string;
  readonly read: (text: string) => T;
  /** Never shown in help, logs or errors. */
  readonly isSecret?: true;
}

const text = (value: string): string => value;

const whole =
  (least: number) =>
  (value: string): number => {
    const number = Number(value);
    if (value.trim() !== '' && Number.isSafeInteger(number) && number >= least) return number;
    throw new TypeError(`a whole number of at least ${least}`);
  };

const share = (value: string): number => {
  const number = Number(value);
  if (value.trim() !== '' && number >= 0 && number <= 1) return number;
  throw new TypeError('a number from 0 to 1');
};

const yesOrNo = (value: string): boolean => {
  const word = value.trim().toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(word)) return true;
  if (['0', 'false', 'no', 'off', ''].includes(word)) return false;
  throw new TypeError('1 or 0');
};

const choice =
  <const T extends string>(values: readonly T[]) =>
  (value: string): T => {
    const found = values.find((candidate) => candidate === value.trim());
    if (found !== undefined) return found;
    throw new TypeError(`one of ${values.join(', ')}`);
  };

function variable<T>(
  env: string,
  flag: string,
  fallback: string,
  read: (text: string) => T,
  help: string,
): Variable<T> {
  return { env, flag, default: fallback, read, help };
}

export const VARIABLES = {
  redisUrl: { ...variable('REDIS_URL', 'redis-url', 'redis://127.0.0.1:6379/0', text, 'Redis server'), isSecret: true },
  queueName: variable('REDIS_QUEUE_NAME', 'queue', 'photo_tasks', text, 'list that jobs are claimed from'),
  deadLetterName: variable('REDIS_DLQ_NAME', 'dlq', '', text, 'list of the dead letters (default: <queue>_dlq)'),
  apiBaseUrl: variable('API_BASE_URL', 'api', 'http://127.0.0.1:5800', text, 'gallery server that gets the callbacks'),
  token: { ...variable('PROCESSING_INTERNAL_TOKEN', 'token', '', text, 'sent as x-internal-token'), isSecret: true },
  models: variable('CLIP_MODELS', 'models', '', text, 'label=repository or folder[,label=…]'),
  modelName: variable(
    'CLIP_MODEL_NAME',
    'model',
    'openai/clip-vit-large-patch14',
    text,
    'the model where CLIP_MODELS is not set',
  ),
  modelLabel: variable('PROCESSING_DEFAULT_MODEL', 'label', 'clip-ViT-L-14', text, 'label of that model'),
  embeddingDim: variable(
    'PROCESSING_EMBEDDING_DIM',
    'dim',
    '768',
    whole(0),
    'length of embeddings that the server takes (0: any)',
  ),
  captionEnabled: variable('CAPTION_ENABLED', 'captions', '1', yesOrNo, 'describe each photo'),
  faceEnabled: variable(
    'FACE_ENABLED',
    'faces',
    'auto',
    choice(['auto', '1', '0']),
    'find faces (auto: where FACE_MODEL_NAME is set, or buffalo_l is on this machine)',
  ),
  faceModel: variable('FACE_MODEL_NAME', 'face-model', 'buffalo_l', text, 'face pack, repository or folder'),
  faceLabel: variable(
    'PROCESSING_DEFAULT_FACE_MODEL',
    'face-label',
    'arcface-buffalo_l',
    text,
    'label of the face model',
  ),
  faceDim: variable(
    'PROCESSING_FACE_EMBEDDING_DIM',
    'face-dim',
    '512',
    whole(0),
    'length of face embeddings that the server takes (0: any)',
  ),
  faceThreshold: variable('FACE_THRESHOLD', 'face-threshold', '0.5', share, 'the least score of a face'),
  faceNms: variable('FACE_NMS', 'face-nms', '0.4', share, 'overlap from which on two detections are one face'),
  faceSize: variable('FACE_SIZE', 'face-size', '640', whole(64), 'side of the square that the detector sees'),
  maxFacesPerPhoto: variable('FACE_MAX_PER_PHOTO', 'max-faces', '200', whole(1), 'of more faces the best are kept'),
  faceExtras: variable('FACE_EXTRAS', 'face-extras', '0', yesOrNo, 'post landmarks, score and quality of faces, too'),
  faceLadder: variable(
    'FACE_LADDER',
    'face-ladder',
    '0',
    yesOrNo,
    'look again, smaller and turned, where no face was found or one fills the photo',
  ),
  projectRoot: variable('PROJECT_ROOT', 'root', '', text, 'folder that relative paths resolve under'),
  uploadBaseDir: variable(
    'UPLOAD_BASE_DIR',
    'uploads',
    '',
    text,
    'the same where PROJECT_ROOT is not set; else one more allowed folder',
  ),
  dtype: variable('CLIP_DTYPE', 'dtype', 'fp32', choice(DTYPES), 'precision of the model files'),
  device: variable('CLIP_DEVICE', 'device', 'auto', choice(DEVICES), 'where models run'),
  strictDevice: variable('CLIP_STRICT_DEVICE', 'strict-device', '0', yesOrNo, 'refuse to start without that device'),
  maxBatch: variable('CLIP_MAX_BATCH', 'batch', '8', whole(1), 'photos per batch'),
  maxWaitMs: variable('CLIP_MAX_WAIT_MS', 'max-wait', '20', whole(0), 'wait for a fuller batch while busy, in ms'),
  threads: variable('CLIP_THREADS', 'threads', '1', whole(1), 'worker threads, each with its own models'),
  intraOpThreads: variable(
    'CLIP_INTRA_OP_THREADS',
    'intra-op',
    '0',
    whole(0),
    'processor threads per model (0: share the cores out)',
  ),
  resample: variable(
    'CLIP_RESAMPLE',
    'resample',
    'fast',
    choice(['fast', 'exact']),
    'let JPEGs shrink while decoding, or not',
  ),
  orientation: variable('CLIP_ORIENTATION', 'orientation', 'apply', choice(['apply', 'ignore']), 'EXIF orientation'),
  maxAttempts: variable('MAX_ATTEMPTS', 'attempts', '5', whole(1), 'attempts before a job is a dead letter'),
  onGone: variable(
    'ON_GONE',
    'on-gone',
    'bury',
    choice(['bury', 'ack']),
    'what becomes of a job whose photo the server does not know',
  ),
  shutdownTimeoutMs: variable('SHUTDOWN_TIMEOUT_MS', 'shutdown-timeout', '8000', whole(0), 'time to stop in, in ms'),
  logLevel: variable(
    'LOG_LEVEL',
    'log-level',
    'info',
    choice(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
    'what is logged',
  ),
} as const satisfies Record<string, Variable<unknown>>;

export type VariableName = keyof typeof VARIABLES;
export type Settings = { readonly [Name in VariableName]: ReturnType<(typeof VARIABLES)[Name]['read']> };

/**
 * Reads every setting.
 * @throws RunnerError `OPTIONS_INVALID` naming the variable, what was expected and what came (unless it is secret).
 */
export function readSettings(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Settings {
  const settings: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries<Variable<unknown>>(VARIABLES)) {
    const given = flags[name];
    const value = typeof given === 'string' ? given : given === true ? '1' : (env[entry.env] ?? entry.default);
    const source = given === undefined ? entry.env : `--${entry.flag}`;
    try {
      settings[name] = entry.read(value.trim() === '' ? entry.default : value);
    } catch (thrown) {
      const expected = thrown instanceof Error ? thrown.message : String(thrown);
      const came = entry.isSecret ? 'something else' : JSON.stringify(value);
      throw new RunnerError('OPTIONS_INVALID', `${source} must be ${expected}, but got ${came}.`);
    }
  }
  return settings as Settings;
}
