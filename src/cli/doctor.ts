import { Option, type Command } from 'commander';
import { coerceError } from '../errors.js';
import type { Device } from '../model.js';
import { resolveHubOptions } from '../models/hub-options.js';
import { resolveRunnerOptions, type RunnerOptions } from '../options.js';
import { examineRedis } from '../queue/redis-exam.js';
import { settingsCommand, type Call } from './command.js';
import { deviceFindings } from './doctor/devices.js';
import { findingLines, note, ok, problem, type Finding } from './doctor/finding.js';
import { cacheFinding, rootFindings } from './doctor/folders.js';
import { makePhotos, measureRunner, type MadePhotos, type Measured } from './doctor/measure.js';
import { examineModels, type ModelExam } from './doctor/models.js';
import { redisFindings } from './doctor/redis.js';
import { threadFindings } from './doctor/threads.js';
import { tune, tunedOptions, tuningFinding } from './doctor/tune.js';
import { escapeControls } from './escape-controls.js';
import { interruptible } from './interrupt.js';
import { createLog } from './log.js';
import { print, say, sizeText } from './models/table.js';
import { PHOTOS_VARIABLES, photosOptions, type PhotosVariable } from './photos.js';
import { redisOptions } from './redis-settings.js';
import { VERSION } from '../version.js';

/** Of the run that says how many photos a second are to be expected. */
const SECONDS = 5;
const TMPDIR_REMEDY = 'Set TMPDIR to a folder that may be written and has room for a few MB.';

type DoctorCall = Call<PhotosVariable>;

/** `clip-runner doctor`. */
export function doctorCommand(): Command {
  return settingsCommand(
    'doctor',
    'look for what would fail or be slow, with the settings of photos',
    PHOTOS_VARIABLES,
    runDoctor,
  )
    .addOption(new Option('--tune', 'look for the best batch, threads and decodings, and keep them').default(false))
    .addOption(new Option('--json', 'print JSON').default(false));
}

/** Answers the exit code: 1 where something would fail. */
async function runDoctor(call: DoctorCall): Promise<number> {
  const interrupt = interruptible(() => process.exit(1));
  try {
    const findings = await examine(call, interrupt.signal);
    if (call.flags['json'] === true) {
      const text = JSON.stringify({ version: VERSION, node: process.version, findings }, null, 2);
      print(text.split('\n').map(escapeControls));
    } else print(findingLines(findings).map(escapeControls));
    return findings.some(({ status }) => status === 'problem') ? 1 : 0;
  } finally {
    interrupt.release();
  }
}

async function examine({ settings, flags, env }: DoctorCall, signal: AbortSignal): Promise<readonly Finding[]> {
  const progress = (line: string): void => (flags['json'] === true ? undefined : say(escapeControls(line)));
  const left: string[] = [];
  // What photos would say at its start.
  const log = createLog('warn', { isTerminal: false, write: (line) => void left.push(line) });
  const options = await photosOptions(settings, env, log);
  const resolved = resolveRunnerOptions(options);
  const { cacheDir, offline } = resolveHubOptions(resolved.hub);
  const { queueName: name, deadLetterName } = settings;
  const redis = await examineRedis({
    ...redisOptions(settings),
    ...{ jobs: 'photo', name },
    ...(deadLetterName !== '' && { deadLetterName }),
  });
  const exams = await examineModels(options, { signal, onPart: (title) => progress(`loading ${title} …`) });
  const used = exams.flatMap(({ devices }) => devices);
  const isAllLoaded = exams.every(({ isLoaded }) => isLoaded);
  // First of all, because it may find a tuning.
  const speed = isAllLoaded
    ? await speedFindings(options, { isTuning: flags['tune'] === true, used, signal, progress })
    : [notMeasured()];
  return [
    ...(await rootFindings(resolved.roots)),
    await cacheFinding(cacheDir, offline),
    ...(await threadFindings(isAllLoaded ? await tunedOptions(options) : resolved, env)),
    ...redisFindings(redis),
    ...left.map(leftFinding),
    ...exams.flatMap(({ findings }) => findings),
    ...(await deviceFindings(questionOf(options, exams, used), env)),
    ...speed,
  ];
}

function questionOf(
  { device, strictDevice }: RunnerOptions,
  exams: readonly ModelExam[],
  used: readonly Device[],
): Parameters<typeof deviceFindings>[0] {
  const refusals = [...new Set(exams.flatMap((exam) => exam.refusals))];
  return { asked: device ?? 'auto', isStrict: strictDevice ?? false, used, refusals };
}

/** A task that is left out for want of a model, in the words of the log. */
function leftFinding(line: string): Finding {
  const { msg } = JSON.parse(line) as { readonly msg?: string };
  const [summary = '', ...rest] = (msg ?? line).split('. ');
  return note('models', summary, rest.join('. ') || 'Set it, or leave it so.');
}

function notMeasured(): Finding {
  return note('speed', "Not measured: a model can't be loaded", 'Mend that first.');
}

interface SpeedHooks {
  readonly isTuning: boolean;
  /** Where the models run. */
  readonly used: readonly Device[];
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** Never throws but for the signal: what fails is a finding, and what was found before it stays. */
async function speedFindings(
  options: RunnerOptions,
  { isTuning, used, signal, progress }: SpeedHooks,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  let photos: MadePhotos | undefined;
  try {
    if (!isTuning) findings.push(await tuningFinding(options, used));
    progress('making photos of 12 megapixels …');
    photos = await makePhotos();
    if (isTuning) findings.push(...(await tune(options, photos, { signal, onReading: progress })));
    progress('measuring …');
    findings.push(speedFinding(await measureRunner(options, photos, { seconds: SECONDS, signal })));
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    findings.push(failureFinding(thrown));
  } finally {
    await photos?.remove();
  }
  return findings;
}

function failureFinding(thrown: unknown): Finding {
  const { code, message } = coerceError(thrown);
  if (code === 'FILE_IO') return problem('speed', `Not measured: ${message}`, TMPDIR_REMEDY, { code });
  const remedy = 'docs/errors.md says what this code means.';
  return problem('speed', `The run on made photos failed: ${message}`, remedy, { code });
}

function speedFinding({ perSecond, memoryBytes, meanBatch, stageMs }: Measured): Finding {
  const parts = Object.entries(stageMs).map(([stage, ms]) => `${stage} ${ms.toFixed(1)}`);
  const summary =
    `${perSecond.toFixed(1)} photos/s expected (made JPEGs of 12 megapixels, all tasks, no HTTP); ${sizeText(memoryBytes)} at most; ` +
    `ms a photo: ${parts.join(', ')}`;
  return ok('speed', summary, { perSecond, memoryBytes, meanBatch, stageMs });
}
