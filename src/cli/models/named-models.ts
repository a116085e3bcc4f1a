import { parseModels } from '../../model-names.js';
import type { ModelName } from '../../model.js';
import { readCachedModel } from '../../models/cached-models.js';
import { lookUpCaptioner } from '../../models/captioners.js';
import { lookUpModel } from '../../models/catalog.js';
import { FACE_PARTS, findFaceGraph, isFacePack, lookUpFacePack } from '../../models/face-packs.js';
import { hubOptionsFromEnv, resolveHubOptions } from '../../models/hub-options.js';
import { kindOfFolder, type ModelKindName } from '../../models/model-kinds.js';
import { isLocalFolder, parseRepository, type Repository } from '../../models/repository.js';
import { findExport, findLocalCaptionModel } from '../../models/resolve-caption.js';
import { findLocalFaceModel, insightfaceFolder } from '../../models/resolve-face.js';
import { openFolder } from '../../models/source.js';
import { isCaptionModelNamed } from '../caption-settings.js';
import { isFaceModelNamed } from '../face-settings.js';
import type { Settings, VariableName } from '../variables.js';

/** The settings that name models. */
export const NAMING_VARIABLES = [
  'models',
  'modelName',
  'modelLabel',
  'dtype',
  'faceEnabled',
  'faceModel',
  'faceLabel',
  'captionEnabled',
  'captionModel',
] as const satisfies readonly VariableName[];

type NamingSettings = Settings<(typeof NAMING_VARIABLES)[number]>;

/** A model as the user names it, and what it is for. */
export interface NamedModel extends ModelName {
  readonly kind: ModelKindName;
}

/** How the commands call the captioner, whose settings give it no label. */
const CAPTION_LABEL = 'caption';

/**
 * The models of CLIP_MODELS, or the one of CLIP_MODEL_NAME; then those of FACE_MODEL_NAME and CAPTION_MODEL_NAME where they
 * are asked for or on this machine.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export async function configuredModels(
  settings: NamingSettings,
  env: NodeJS.ProcessEnv,
): Promise<readonly NamedModel[]> {
  const { models, modelName, modelLabel, faceEnabled, faceModel, faceLabel } = settings;
  const { captionEnabled, captionModel, dtype } = settings;
  const hub = hubOptionsFromEnv(env);
  const clip = parseModels(models === '' ? [{ label: modelLabel, name: modelName }] : models);
  const faces =
    faceEnabled !== '0' && (isFaceModelNamed(settings, env) || (await isFound(findLocalFaceModel(faceModel, hub))));
  const captions =
    captionEnabled &&
    (isCaptionModelNamed(settings, env) || (await isFound(findLocalCaptionModel(captionModel, { ...hub, dtype }))));
  return [
    ...clip.map((model) => ({ ...model, kind: 'clip' as const })),
    ...(faces ? [{ label: faceLabel, name: faceModel, kind: 'face' as const }] : []),
    ...(captions ? [{ label: CAPTION_LABEL, name: captionModel, kind: 'caption' as const }] : []),
  ];
}

/** Whether a model is on this machine; one that is broken is there, too. */
async function isFound(model: Promise<unknown>): Promise<boolean> {
  return model.then(
    (found) => found !== undefined,
    () => true,
  );
}

/** The models that a command is called with: names or configured labels; none: those that are configured. */
export async function namedModels(
  words: readonly string[],
  settings: NamingSettings,
  env: NodeJS.ProcessEnv,
): Promise<readonly NamedModel[]> {
  const configured = await configuredModels(settings, env);
  if (words.length === 0) return configured;
  const { cacheDir } = resolveHubOptions(hubOptionsFromEnv(env));
  const others: readonly NamedModel[] = [
    { label: settings.faceLabel, name: settings.faceModel, kind: 'face' },
    { label: CAPTION_LABEL, name: settings.captionModel, kind: 'caption' },
  ];
  return Promise.all(
    words.map(
      async (word) =>
        [...configured, ...others].find(({ label, name }) => word === label || word === name) ?? {
          label: word,
          name: word,
          kind: await kindOf(word, cacheDir),
        },
    ),
  );
}

/** The repositories that a model's files come from. @throws RunnerError `OPTIONS_INVALID` */
export function repositoriesOf({ kind, name }: NamedModel): readonly Repository[] {
  if (kind === 'clip') return [parseRepository(lookUpModel(name).repository)];
  if (kind === 'caption') return [parseRepository(lookUpCaptioner(name).repository)];
  const { detection, recognition } = lookUpFacePack(name);
  return [...new Set([detection, recognition])].map(parseRepository);
}

/**
 * The folder of a model that was not downloaded: the user's own; that of insightface's package where it has the pack; that
 * of a captioner which was exported into the cache.
 */
export async function ownFolderOf({ kind, name }: NamedModel, cacheDir: string): Promise<string | undefined> {
  if (await isLocalFolder(name)) return name;
  if (kind === 'caption') return findExport(cacheDir, name);
  const folder = kind === 'face' ? insightfaceFolder(lookUpFacePack(name)) : undefined;
  if (folder === undefined) return undefined;
  const source = await openFolder(folder).catch(() => undefined);
  const isWhole = source !== undefined && FACE_PARTS.every((part) => findFaceGraph(source.files, part) !== undefined);
  return isWhole ? folder : undefined;
}

/** What a name stands for, as far as its files are on this machine; else it is taken for the name of a CLIP. */
async function kindOf(name: string, cacheDir: string): Promise<ModelKindName> {
  if (isFacePack(name)) return 'face';
  if (lookUpCaptioner(name).isPublished !== undefined) return 'caption';
  try {
    if (await isLocalFolder(name)) {
      const { folder, files } = await openFolder(name);
      return kindOfFolder(folder, files);
    }
    const [repository] = repositoriesOf({ label: name, name, kind: 'clip' });
    return (repository && (await readCachedModel(cacheDir, repository))?.kind) ?? 'clip';
  } catch {
    return 'clip'; // What is wrong with it is said when it is looked for.
  }
}
