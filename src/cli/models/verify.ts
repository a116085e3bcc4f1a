import type { ModelName } from '../../model.js';
import { RunnerError, coerceError, type ErrorCode } from '../../errors.js';
import { listModelFolder, snapshotFolder } from '../../models/cache.js';
import { readCachedModel } from '../../models/cached-models.js';
import { lookUpModel } from '../../models/catalog.js';
import { hubOptionsFromEnv, resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import { listedSides, type ModelSide } from '../../models/model-kinds.js';
import { discardCachedFile } from '../../models/repair.js';
import { isLocalFolder, parseRepository } from '../../models/repository.js';
import { resolveClipModel, type ResolveOptions } from '../../models/resolve.js';
import { openFolder } from '../../models/source.js';
import { inspectModelFolder, type ModelFileFacts } from '../../models/verify.js';
import { createRunner } from '../../runner.js';
import type { Call } from '../command.js';
import { MODEL_VARIABLES, modelOptions } from '../runner-settings.js';
import type { VariableName } from '../variables.js';
import { fetchModel } from './fetch-model.js';
import { namedModels } from './named-models.js';
import { print, say, sizeText } from './table.js';

export const VERIFY_VARIABLES = [...MODEL_VARIABLES, 'logLevel'] as const satisfies readonly VariableName[];

type VerifyCall = Call<(typeof VERIFY_VARIABLES)[number]>;

/** What is wrong with a model, and what to do. */
interface Finding {
  readonly code: ErrorCode;
  readonly message: string;
}

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

/** `clip-runner models verify`: exit code 1 when anything is wrong. Without `--repair` nothing is asked from the network. */
export async function runVerify(call: VerifyCall): Promise<number> {
  const { settings, flags, args, env } = call;
  const isRepair = flags['repair'] === true;
  const hub = hubOptionsFromEnv(env);
  if (isRepair && resolveHubOptions(hub).offline) {
    throw new RunnerError('MODEL_OFFLINE', '--repair downloads, but downloads are off: unset HF_HUB_OFFLINE.');
  }
  const verdicts: Verdict[] = [];
  for (const model of namedModels(args[0] as readonly string[], settings)) {
    if (isRepair) await repair(model, call, hub);
    const verdict = await verify(model, call, hub);
    verdicts.push(verdict);
    if (flags['json'] !== true) print(verdictLines(verdict));
  }
  if (flags['json'] === true) print([JSON.stringify({ models: verdicts }, null, 2)]);
  return verdicts.every(({ isGood }) => isGood) ? 0 : 1;
}

async function verify(model: ModelName, call: VerifyCall, hub: HubOptions): Promise<Verdict> {
  const { dtype } = call.settings;
  const about = { name: model.name, label: model.label, dtype };
  const wrong = (facts: object, ...findings: readonly Finding[]): Verdict => ({
    ...about,
    ...facts,
    isGood: false,
    findings,
  });

  let facts = {};
  try {
    const folder = await findFolder(model, call, hub);
    const files = await inspectModelFolder(folder);
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    facts = { folder, files: files.length, sizeBytes };
    const damaged = damagedOf(files);
    // A damaged file is never given to the runtime.
    if (damaged.length > 0) return wrong(facts, ...damaged.map((path) => damageFinding(path, model)));
    const sides = await resolveSides(model, folder, { ...hub, dtype, offline: true });
    return { ...about, ...facts, sides, isGood: true, findings: [], ...(await load(model, sides, call)) };
  } catch (thrown) {
    const { code, message } = coerceError(thrown);
    return wrong(facts, code === 'MODEL_OFFLINE' ? missingFinding(model, dtype) : { code, message });
  }
}

/** The folder whose files are to be checked; where no commit can be loaded as it is, the newest one. */
async function findFolder({ name }: ModelName, { settings }: VerifyCall, hub: HubOptions): Promise<string> {
  if (await isLocalFolder(name)) return (await openFolder(name)).folder;
  const { cacheDir } = resolveHubOptions(hub);
  const repository = parseRepository(lookUpModel(name).repository);
  const cached = await readCachedModel(cacheDir, repository);
  const commit = cached?.variants.find(({ dtype }) => dtype === settings.dtype)?.commit ?? cached?.commits[0];
  if (cached !== undefined && commit !== undefined) return snapshotFolder(cached.folder, commit);
  throw new RunnerError('MODEL_OFFLINE', `There is no commit of ${repository.id} in the cache.`);
}

/** The sides that are there; what is wrong with their files is thrown. */
async function resolveSides(model: ModelName, folder: string, options: ResolveOptions): Promise<readonly ModelSide[]> {
  const listed = listedSides(await listModelFolder(folder), options.dtype);
  // Where no side is listed, the vision side's files say what is missing.
  const isTextAlone = listed.length === 1 && listed[0] === 'text';
  const wanted = isTextAlone ? { wantVision: false, wantText: true } : {};
  const { visionFile, textFile } = await resolveClipModel(model, { ...options, ...wanted });
  return [
    ...(visionFile === undefined ? [] : ['vision' as const]),
    ...(textFile === undefined ? [] : ['text' as const]),
  ];
}

/** Loads a model in a thread, as the commands do: each passes its self-test there before it is ready. */
async function load(
  { label, name }: ModelName,
  sides: readonly ModelSide[],
  { settings, env }: VerifyCall,
): Promise<{ readonly device?: string; readonly dimension?: number }> {
  const options = modelOptions(settings, env);
  const runner = createRunner({
    ...options,
    models: [{ label, name }],
    tasks: sides.map((side) => (side === 'vision' ? 'clip' : 'text')),
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

/** Takes damaged files out of the cache, and downloads what is missing. */
async function repair(model: ModelName, call: VerifyCall, hub: HubOptions): Promise<void> {
  if (await isLocalFolder(model.name)) return;
  const folder = await findFolder(model, call, hub).catch(() => undefined);
  const damaged = folder === undefined ? [] : damagedOf(await inspectModelFolder(folder));
  for (const path of damaged) {
    say(`${model.name}: ${path} is damaged and is downloaded again`);
    await discardCachedFile(folder ?? '', path);
  }
  const { dtype, logLevel } = call.settings;
  await fetchModel(model, { options: { ...hub, dtype }, logLevel });
}

function damagedOf(files: readonly ModelFileFacts[]): readonly string[] {
  return files.filter(({ isIntact }) => isIntact === false).map(({ path }) => path);
}

function damageFinding(path: string, { name }: ModelName): Finding {
  const advice = `run "clip-runner models verify ${name} --repair".`;
  return { code: 'MODEL_CORRUPT', message: `${path} is not what was downloaded (its hash differs): ${advice}` };
}

function missingFinding({ name }: ModelName, dtype: string): Finding {
  const advice = `run "clip-runner models pull ${name} --dtype ${dtype}".`;
  return { code: 'MODEL_NOT_FOUND', message: `It is not in the cache, or not all of it: ${advice}` };
}

function verdictLines({ name, dtype, folder, findings, ...facts }: Verdict): readonly string[] {
  if (findings.length > 0) return findings.map(({ code, message }) => `wrong  ${name}  ${code}: ${message}`);
  const { files = 0, sizeBytes = 0, device, dimension, sides = [] } = facts;
  const parts = [
    `${dtype} on ${device ?? 'cpu'}`,
    `${dimension ?? 0} numbers`,
    sides.map((side) => (side === 'vision' ? 'pictures' : 'texts')).join(' and '),
    `${files} files, ${sizeText(sizeBytes)}`,
    folder ?? '',
  ];
  return [`good   ${name}  ${parts.join('; ')}`];
}
