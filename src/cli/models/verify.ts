import { RunnerError, coerceError } from '../../errors.js';
import { parseModels } from '../../model-names.js';
import type { Dtype, ModelName } from '../../model.js';
import { hubOptionsFromEnv, resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import { MODEL_KINDS, listedSides, type ModelSide } from '../../models/model-kinds.js';
import { resolveCaptionModel } from '../../models/resolve-caption.js';
import { resolveFaceModel } from '../../models/resolve-face.js';
import { resolveClipModel } from '../../models/resolve.js';
import type { RunnerOptions } from '../../options.js';
import { createRunner } from '../../runner.js';
import type { Call } from '../command.js';
import { MODEL_VARIABLES, modelOptions } from '../runner-settings.js';
import type { VariableName } from '../variables.js';
import { COMPARE_VARIABLES, runCompare } from './compare.js';
import { damageFindings, type Finding } from './damage.js';
import { inspectModel, type Inspection } from './model-folders.js';
import { NAMING_VARIABLES, namedModels, type NamedModel } from './named-models.js';
import { SIDE_WORDS } from './overview-text.js';
import { repairModel } from './repair.js';
import { print, sizeText } from './table.js';

export const VERIFY_VARIABLES = [
  ...new Set([...MODEL_VARIABLES, ...NAMING_VARIABLES]),
  ...COMPARE_VARIABLES,
  'faceDim',
  'faceSize',
  'logLevel',
] as const satisfies readonly VariableName[];

type VerifyCall = Call<(typeof VERIFY_VARIABLES)[number]>;

interface Verdict {
  readonly name: string;
  readonly label: string;
  readonly dtype: string;
  readonly isGood: boolean;
  readonly findings: readonly Finding[];
  readonly folder?: string;
  readonly files?: number;
  readonly sizeBytes?: number;
  readonly sides?: readonly ModelSide[];
  readonly device?: string;
  readonly dimension?: number;
}

/**
 * `clip-runner models verify`: exit code 1 when anything is wrong. Without `--repair` nothing is asked from the network. With
 * `--compare` the precisions of each model are held against each other instead.
 */
export async function runVerify(call: VerifyCall): Promise<number> {
  const { settings, flags, args, env } = call;
  const isRepair = flags['repair'] === true;
  const isComparison = flags['compare'] === true;
  if (isComparison && isRepair)
    throw new RunnerError('OPTIONS_INVALID', '--compare and --repair are two errands: repair first, then compare.');
  if (flags['photos'] !== undefined && !isComparison)
    throw new RunnerError('OPTIONS_INVALID', '--photos says what --compare compares with: give both.');
  if (isComparison) return runCompare(call);
  const hub = hubOptionsFromEnv(env);
  if (isRepair && resolveHubOptions(hub).offline) {
    throw new RunnerError('MODEL_OFFLINE', '--repair downloads, but downloads are off: unset HF_HUB_OFFLINE.');
  }
  const verdicts: Verdict[] = [];
  for (const model of await namedModels(args[0] as readonly string[], settings, env)) {
    const failures = isRepair ? await repairModel(model, { ...settings, hub }) : [];
    const verdict = await verify(model, call, hub);
    // What could not be repaired is wrong still, and so is told; else another process has mended it meanwhile.
    const findings = [...verdict.findings, ...(verdict.isGood ? [] : failures.map(toFinding))];
    verdicts.push({ ...verdict, findings });
    if (flags['json'] !== true) print(verdictLines({ ...verdict, findings }));
  }
  if (flags['json'] === true) print([JSON.stringify({ models: verdicts }, null, 2)]);
  return verdicts.every(({ isGood }) => isGood) ? 0 : 1;
}

async function verify(model: NamedModel, call: VerifyCall, hub: HubOptions): Promise<Verdict> {
  const { dtype } = call.settings;
  const about = { name: model.name, label: model.label, dtype: model.kind === 'face' ? 'fp32' : dtype };
  let facts = {};
  try {
    const inspections = await inspectModel(model, dtype, hub);
    const files = inspections.flatMap((inspection) => inspection.files);
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    facts = { folder: inspections.map(({ folder }) => folder).join(', '), files: files.length, sizeBytes };
    const findings = inspections.flatMap((inspection) => damageFindings(inspection, model));
    // A damaged file is never given to the runtime.
    if (findings.length > 0) return { ...about, ...facts, isGood: false, findings };
    const sides = await resolveSides(model, inspections, dtype, { ...hub, offline: true });
    return { ...about, ...facts, sides, isGood: true, findings: [], ...(await load(model, sides, call)) };
  } catch (thrown) {
    const error = coerceError(thrown);
    const finding = error.code === 'MODEL_OFFLINE' ? missingFinding(model, dtype) : toFinding(error);
    return { ...about, ...facts, isGood: false, findings: [finding] };
  }
}

/** The sides that are there; what is wrong with their files is thrown. */
async function resolveSides(
  model: NamedModel,
  [place]: readonly Inspection[],
  dtype: Dtype,
  hub: HubOptions,
): Promise<readonly ModelSide[]> {
  if (model.kind === 'face') {
    await resolveFaceModel(model.name, hub);
    return MODEL_KINDS.face.sides;
  }
  if (model.kind === 'caption') {
    await resolveCaptionModel(model.name, { ...hub, dtype });
    return MODEL_KINDS.caption.sides;
  }
  const listed = listedSides(new Set(place?.files.map(({ path }) => path)), dtype);
  // Where no side is listed, the vision side's files say what is missing.
  const isTextAlone = listed.length === 1 && listed[0] === 'text';
  const wanted = isTextAlone ? { wantVision: false, wantText: true } : {};
  const { visionFile, textFile } = await resolveClipModel(model, { ...hub, dtype, ...wanted });
  return [
    ...(visionFile === undefined ? [] : ['vision' as const]),
    ...(textFile === undefined ? [] : ['text' as const]),
  ];
}

/** Loads a model in a thread, as the commands do: each passes its self-test there before it is ready. */
async function load(
  model: NamedModel,
  sides: readonly ModelSide[],
  { settings, env }: VerifyCall,
): Promise<{ readonly device?: string; readonly dimension?: number }> {
  const options = modelOptions(settings, env);
  const runner = createRunner({
    ...options,
    ...optionsFor(model, sides, { settings, clips: parseModels(options.models ?? []) }),
    threads: 1,
    hub: { ...options.hub, offline: true },
  });
  let found = {};
  runner.on('model:ready', ({ device, dimension }) => (found = { device, dimension }));
  try {
    await runner.start();
    return found;
  } finally {
    await runner.stop({ deadlineMs: 0 });
  }
}

/** What runs a model alone; a captioner has its sentences embedded, so it comes with the first CLIP. */
function optionsFor(
  { kind, label, name }: NamedModel,
  sides: readonly ModelSide[],
  { settings, clips }: Pick<VerifyCall, 'settings'> & { readonly clips: readonly ModelName[] },
): RunnerOptions {
  const { faceDim, faceSize } = settings;
  switch (kind) {
    case 'face':
      return {
        ...{ models: [], tasks: ['face'], faceModel: name, faceLabel: label, faceDim },
        ...(faceSize !== undefined && { faceSize }),
      };
    case 'caption':
      return { models: clips.slice(0, 1), tasks: ['caption'], captionModel: name };
    case 'clip':
      return { models: [{ label, name }], tasks: sides.map((side) => (side === 'vision' ? 'clip' : 'text')) };
  }
}

function toFinding({ code, message }: RunnerError): Finding {
  return { code, message };
}

function missingFinding({ kind, name }: NamedModel, dtype: string): Finding {
  const advice = `run "clip-runner models pull ${name}${kind === 'face' ? '' : ` --dtype ${dtype}`}".`;
  return { code: 'MODEL_NOT_FOUND', message: `It is not in the cache, or not all of it: ${advice}` };
}

function verdictLines({ name, dtype, folder, findings, ...facts }: Verdict): readonly string[] {
  if (findings.length > 0) return findings.map(({ code, message }) => `wrong  ${name}  ${code}: ${message}`);
  const { files = 0, sizeBytes = 0, device, dimension, sides = [] } = facts;
  const parts = [
    `${dtype} on ${device ?? 'cpu'}`,
    `${dimension ?? 0} numbers`,
    sides.map((side) => SIDE_WORDS[side]).join(' and '),
    `${files} files, ${sizeText(sizeBytes)}`,
    folder ?? '',
  ];
  return [`good   ${name}  ${parts.join('; ')}`];
}
