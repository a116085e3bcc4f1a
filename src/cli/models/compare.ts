import { coerceError, RunnerError, type ErrorCode } from '../../errors.js';
import type { Dtype } from '../../model.js';
import { hubOptionsFromEnv, resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import type { ModelVariant } from '../../models/model-kinds.js';
import { isLocalFolder } from '../../models/repository.js';
import type { RunnerOptions } from '../../options.js';
import type { Call } from '../command.js';
import { escapeControls } from '../escape-controls.js';
import type { MODEL_VARIABLES } from '../runner-settings.js';
import { modelOptions } from '../runner-settings.js';
import type { VariableName } from '../variables.js';
import { compareSide, REFERENCE, type PrecisionRow } from './compare/compare-side.js';
import { madePictures, photosOf, type Pictures } from './compare/pictures.js';
import type { ClipSide } from './compare/precision.js';
import { comparisonLines } from './compare/report.js';
import { SENTENCES } from './compare/sentences.js';
import { damageFindings, type Finding } from './damage.js';
import { inspectModel } from './model-folders.js';
import type { NAMING_VARIABLES } from './named-models.js';
import { namedModels, type NamedModel } from './named-models.js';
import { SIDE_WORDS } from './overview-text.js';
import { describeModel } from './overview.js';
import { print, say } from './table.js';

/** What decides how photos and texts are run, besides the settings of models. */
export const COMPARE_VARIABLES = [
  ...['maxBatch', 'maxTextBatch', 'decodeConcurrency', 'tuning', 'resample', 'orientation'],
] as const satisfies readonly VariableName[];

type CompareCall = Call<
  (typeof MODEL_VARIABLES)[number] | (typeof NAMING_VARIABLES)[number] | (typeof COMPARE_VARIABLES)[number]
>;

/** A model's precisions, side by side. */
interface Comparison {
  readonly name: string;
  readonly label: string;
  readonly folder?: string;
  readonly isGood: boolean;
  readonly findings: readonly Finding[];
  /** What was left out, and with what it was compared. */
  readonly notes: readonly string[];
  readonly rows: readonly PrecisionRow[];
}

const SIDES = ['vision', 'text'] as const satisfies readonly ClipSide[];
const SOUND: readonly PrecisionRow['verdict'][] = ['reference', 'equal', 'fit', 'apart'];

/**
 * `clip-runner models verify --compare`: exit code 1 where a precision is unfit or does not run, or where there is nothing to
 * compare. Nothing is asked from the network.
 * @throws RunnerError `OPTIONS_INVALID` for photos that aren't there, and for models that have one precision by their kind
 */
export async function runCompare(call: CompareCall): Promise<number> {
  const { settings, flags, args, env } = call;
  const words = args[0] as readonly string[];
  const named = await namedModels(words, settings, env);
  const other = named.find(({ kind }) => kind !== 'clip');
  if (words.length > 0 && other !== undefined) {
    const kinds = { face: 'a face model', caption: 'a captioner', clip: '' } as const;
    throw new RunnerError(
      'OPTIONS_INVALID',
      `--compare is for models with embeddings of pictures or texts; ${other.name} is ${kinds[other.kind]}. Leave it out.`,
    );
  }
  const isJson = flags['json'] === true;
  const { photos } = flags;
  const given = typeof photos === 'string' ? await photosOf(photos) : undefined;
  let made: Promise<Pictures> | undefined;
  const pictures = async (): Promise<Pictures> => given ?? (made ??= madePictures());
  const comparisons: Comparison[] = [];
  for (const model of named.filter(({ kind }) => kind === 'clip')) {
    const comparison = await compareModel(model, call, {
      pictures,
      onProgress: (line) => (isJson ? undefined : say(escapeControls(`${model.name}: ${line}`))),
    });
    comparisons.push(comparison);
    if (!isJson) print(linesOf(comparison).map(escapeControls));
  }
  if (isJson) print(JSON.stringify({ models: comparisons }, null, 2).split('\n').map(escapeControls));
  return comparisons.every(({ isGood }) => isGood) ? 0 : 1;
}

interface CompareHooks {
  /** Made when they are first needed. */
  readonly pictures: () => Promise<Pictures>;
  readonly onProgress: (line: string) => void;
}

async function compareModel(model: NamedModel, call: CompareCall, hooks: CompareHooks): Promise<Comparison> {
  const { name, label } = model;
  const hub = hubOptionsFromEnv(call.env);
  const notes: string[] = [];
  const rows: PrecisionRow[] = [];
  let about: Pick<Comparison, 'name' | 'label' | 'folder'> = { name, label };
  const finish = (findings: readonly Finding[]): Comparison => {
    const isGood = findings.length === 0 && rows.every(({ verdict }) => SOUND.includes(verdict));
    return { ...about, isGood, findings, notes, rows };
  };
  try {
    const [place] = await describeModel(model, [], REFERENCE, resolveHubOptions(hub).cacheDir);
    const variants = place?.variants ?? [];
    if (place !== undefined) about = { ...about, folder: place.folder };
    hooks.onProgress('reading its files …');
    const damage = await damageOf(model, variants, hub);
    if (damage.length > 0) return finish(damage);
    const problem = await whyNothing(model, variants);
    if (problem !== undefined) return finish([problem]);
    for (const side of SIDES) {
      const dtypes = variants.filter(({ sides }) => sides.includes(side)).map(({ dtype }) => dtype);
      const gap = gapText(side, dtypes, variants);
      if (gap !== undefined) notes.push(gap);
      else if (dtypes.length > 1) await addSide({ model, side, dtypes, call, hooks }, rows, notes);
    }
    return finish(rows.length > 0 ? [] : [{ code: 'MODEL_NOT_FOUND', message: `${notes.join('; ')}.` }]);
  } catch (thrown) {
    const { code, message } = coerceError(thrown);
    return finish([{ code, message }]);
  }
}

interface SideOfModel {
  readonly model: NamedModel;
  readonly side: ClipSide;
  readonly dtypes: readonly Dtype[];
  readonly call: CompareCall;
  readonly hooks: CompareHooks;
}

async function addSide(
  { model: { label, name }, side, dtypes, call, hooks }: SideOfModel,
  rows: PrecisionRow[],
  notes: string[],
): Promise<void> {
  const { onProgress } = hooks;
  const pictures = side === 'vision' ? await hooks.pictures() : undefined;
  const result = await compareSide({
    model: { label, name },
    side,
    dtypes: dtypes.filter((dtype) => dtype !== REFERENCE),
    inputs: pictures?.inputs ?? SENTENCES,
    options: optionsOf(call),
    onProgress: (line) => onProgress(`${SIDE_WORDS[side]}: ${line}`),
  });
  rows.push(...result.rows);
  notes.push(
    pictures !== undefined
      ? `compared by ${pictures.title}${result.leftOut > 0 ? `, of which ${result.leftOut} can't be read` : ''}`
      : `compared by ${SENTENCES.length} sentences in English and Chinese`,
  );
}

/** As `photos` and `serve` would run it. */
function optionsOf({ settings, env }: CompareCall): RunnerOptions {
  const { maxBatch, maxTextBatch, decodeConcurrency, tuning, resample, orientation } = settings;
  return {
    ...modelOptions(settings, env),
    ...{ maxBatch, maxTextBatch, decodeConcurrency, tuning, resample, orientation },
  };
}

/**
 * Every precision may be of a commit of its own; a damaged file is never given to the runtime. One whose damage keeps it from
 * being a graph at all is none of the variants, so the newest commit is looked at whatever they are.
 */
async function damageOf(
  model: NamedModel,
  variants: readonly ModelVariant[],
  hub: HubOptions,
): Promise<readonly Finding[]> {
  const findings = new Map<string, Finding>();
  for (const dtype of new Set([REFERENCE, ...variants.map(({ dtype }) => dtype)])) {
    const inspections = await inspectModel(model, dtype, hub).catch((thrown: unknown) => {
      // That nothing is here is said with how to get it.
      if (isMissing(thrown)) return [];
      throw thrown;
    });
    for (const inspection of inspections)
      for (const finding of damageFindings(inspection, model)) findings.set(finding.message, finding);
  }
  return [...findings.values()];
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof RunnerError && (thrown.code === 'MODEL_OFFLINE' || thrown.code === 'MODEL_NOT_FOUND');
}

/** Why there is nothing to compare, and how to get it. */
async function whyNothing(model: NamedModel, variants: readonly ModelVariant[]): Promise<Finding | undefined> {
  const dtypes = variants.map(({ dtype }) => dtype);
  if (dtypes.includes(REFERENCE) && dtypes.length > 1) return undefined;
  const code: ErrorCode = 'MODEL_NOT_FOUND';
  if (dtypes.length === 0)
    return { code, message: `No precision of it is here, or not all of one: ${await adviceFor(model, [REFERENCE])}` };
  if (dtypes.includes(REFERENCE)) {
    const advice = await adviceFor(model, ['q8', 'fp16']);
    return { code, message: `Only ${REFERENCE} of it is here, and nothing to compare it with: ${advice}` };
  }
  const advice = await adviceFor(model, [REFERENCE]);
  return {
    code,
    message: `Only ${dtypes.join(' and ')} of it is here; all are compared with ${REFERENCE}: ${advice}`,
  };
}

async function adviceFor({ name }: NamedModel, wanted: readonly Dtype[]): Promise<string> {
  const exporter =
    'tools/export makes a folder with fp32, fp16 and q8 of a model of transformers (docs/models.md, "Making a folder of your own").';
  if (await isLocalFolder(name)) return `put the files of ${wanted.join(' or ')} into its folder; ${exporter}`;
  const commands = wanted.map((dtype) => `"clip-runner models pull ${name} --dtype ${dtype}"`);
  return `run ${commands.join(' or ')} where its repository has that; else ${exporter}`;
}

/** A side that can't be compared though the model can. */
function gapText(side: ClipSide, dtypes: readonly Dtype[], variants: readonly ModelVariant[]): string | undefined {
  if (dtypes.length === 0 || (dtypes.includes(REFERENCE) && dtypes.length > 1)) return undefined;
  const all = variants.map(({ dtype }) => dtype).join(', ');
  return `${SIDE_WORDS[side]} are not compared: of ${all} only ${dtypes.join(' and ')} can embed them`;
}

function linesOf({ name, folder, findings, notes, rows }: Comparison): readonly string[] {
  return [
    `${name}${folder === undefined ? '' : `  ${folder}`}`,
    ...findings.map(({ code, message }) => `wrong  ${name}  ${code}: ${message}`),
    ...notes,
    ...(rows.length === 0 ? [] : comparisonLines(rows)),
    '',
  ];
}
