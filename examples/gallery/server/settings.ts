import type { FusionWeights } from './database/search.js';

/** What the gallery can be told, with every default filled in. */
export interface GallerySettings {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Folder of uploads, the embedded database and the secret. */
  readonly folder: string;
  /** Signs the tokens of users. */
  readonly secret: string;
  /** What callbacks carry as `x-internal-token`. */
  readonly internalToken: string;
  /** Label of the CLIP model that is searched by. */
  readonly model: string;
  readonly embeddingDim: number;
  /** Label of the face model whose faces are grouped. */
  readonly faceModel: string;
  readonly faceDim: number;
  /** Asked of a runner for each photo. */
  readonly tasks: readonly string[];
  readonly weights: FusionWeights;
  /** The embed service; without one a text becomes a job. */
  readonly embedUrl: string | undefined;
  readonly maxUploadBytes: number;
  /** Makes of a query what the model understands. */
  readonly translate: (query: string) => string;
}

/** What is set by the user's own environment; `secret` and `internalToken` have no default that would be safe. */
export type NeededSettings = Pick<GallerySettings, 'folder' | 'secret' | 'internalToken'>;

const DEFAULTS = {
  host: '127.0.0.1',
  port: 5800,
  model: 'clip-ViT-L-14',
  embeddingDim: 768,
  faceModel: 'arcface-buffalo_l',
  faceDim: 512,
  tasks: ['clip', 'face'],
  weights: { image: 0.7, caption: 0.3 },
  embedUrl: undefined,
  maxUploadBytes: 32 * 1024 * 1024,
  translate: (query: string) => query,
} as const satisfies Omit<GallerySettings, keyof NeededSettings>;

export function resolveSettings(settings: NeededSettings & Partial<GallerySettings>): GallerySettings {
  return { ...DEFAULTS, ...settings };
}

/** The settings in variables of the environment; those of the contract keep their names. */
export function settingsFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Partial<Omit<GallerySettings, 'secret' | 'folder'>> {
  const text = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  const image = share(env, 'TEXT_FUSION_IMAGE_WEIGHT') ?? DEFAULTS.weights.image;
  const caption = share(env, 'TEXT_FUSION_CAPTION_WEIGHT') ?? DEFAULTS.weights.caption;
  if (image + caption === 0)
    throw new Error('Expected TEXT_FUSION_IMAGE_WEIGHT or TEXT_FUSION_CAPTION_WEIGHT to be above 0.');
  return withoutMissing({
    host: text('GALLERY_HOST'),
    port: whole(env, 'GALLERY_PORT', 0, 65_535),
    internalToken: text('PROCESSING_INTERNAL_TOKEN'),
    model: text('PROCESSING_DEFAULT_MODEL'),
    embeddingDim: whole(env, 'PROCESSING_EMBEDDING_DIM', 1, 16_000),
    faceModel: text('PROCESSING_DEFAULT_FACE_MODEL'),
    faceDim: whole(env, 'PROCESSING_FACE_EMBEDDING_DIM', 1, 16_000),
    tasks: text('GALLERY_TASKS')
      ?.split(',')
      .map((task) => task.trim()),
    weights: { image, caption },
    embedUrl: text('PROCESSING_TEXT_EMBED_URL'),
    maxUploadBytes: whole(env, 'GALLERY_MAX_UPLOAD_BYTES', 1, 2 ** 30),
  });
}

type Environment = Readonly<Record<string, string | undefined>>;

function whole(env: Environment, name: string, least: number, most: number): number | undefined {
  return numberOf(env, name, `a whole number from ${least} to ${most}`, (value) => {
    return Number.isInteger(value) && value >= least && value <= most;
  });
}

function share(env: Environment, name: string): number | undefined {
  return numberOf(env, name, 'a number of 0 or more', (value) => value >= 0 && value < Infinity);
}

function numberOf(
  env: Environment,
  name: string,
  expected: string,
  accepts: (value: number) => boolean,
): number | undefined {
  const given = env[name];
  if (given === undefined || given === '') return undefined;
  const value = Number(given);
  if (!accepts(value)) throw new Error(`Expected ${name} to be ${expected}, but got ${given}.`);
  return value;
}

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function withoutMissing<T extends object>(settings: T): Present<T> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Present<T>;
}
