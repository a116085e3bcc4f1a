import { Option, type Command } from 'commander';
import { DEFAULT_THRESHOLDS } from '../album/cluster.js';
import { checkRoots } from '../engine.js';
import { hubOptionsFromEnv } from '../models/hub-options.js';
import { resolveRunnerOptions, type RunnerOptions } from '../options.js';
import { settingsCommand, type Call } from './command.js';
import { faceOptions } from './face-settings.js';
import { invalid, readAccess, readNumberFlag } from './gallery-access.js';
import { interruptible } from './interrupt.js';
import { createLog, type Log } from './log.js';
import { AlbumBook } from './people/album-book.js';
import { checkTarget } from './people/check-target.js';
import { FaceDetector } from './people/face-detector.js';
import type { PeoplePlan } from './people/plan.js';
import { runPlan } from './people/run-plan.js';
import { ISOLATION_NAMES, PHOTO_VARIABLES, isolationOptions, photoOptions } from './runner-settings.js';
import { Terminal } from './terminal.js';
import { choice } from './variable.js';
import type { VariableName } from './variables.js';

const PEOPLE_VARIABLES = [
  'apiBaseUrl',
  'accessToken',
  'faceDistance',
  'minFaces',
  'maxPhotos',
  'faceEnabled',
  'faceModel',
  'faceThreshold',
  'faceNms',
  'faceSize',
  'maxFacesPerPhoto',
  'faceLadder',
  'faceDecode',
  'device',
  'strictDevice',
  'prepareModels',
  'threads',
  'intraOpThreads',
  ...PHOTO_VARIABLES,
  ...ISOLATION_NAMES,
  'shutdownTimeoutMs',
  'logLevel',
] as const satisfies readonly VariableName[];

type PeopleCall = Call<(typeof PEOPLE_VARIABLES)[number]>;

/** `clip-runner people`. */
export function peopleCommand(): Command {
  const command = settingsCommand(
    'people',
    'find the people in the photos of a gallery and make an album of each',
    PEOPLE_VARIABLES,
    runPeople,
  );
  return command
    .addOption(
      new Option('--method <name>', 'how faces become people').choices(['greedy', 'linkage']).default('greedy'),
    )
    .addOption(new Option('--dry-run', 'make no album; say which would be made').default(false))
    .addOption(new Option('--state <file>', 'albums of former runs').default('people-albums.json'))
    .addOption(new Option('--cache <folder>', 'keep the faces of each photo, so that it is looked at once'))
    .addOption(new Option('--report <file>', 'write a page that shows the faces of each person'))
    .addOption(new Option('--timeout <ms>', 'time for an answer of the server').default('60000'))
    .addOption(new Option('--json', 'print JSON').default(false));
}

/** Answers the exit code: 1 also where an album was not made, or no photo could be read. */
async function runPeople(call: PeopleCall): Promise<number> {
  const terminal = new Terminal();
  const log = createLog(call.settings.logLevel, terminal);
  const runnerOptions = await readRunnerOptions(call, log);
  const plan = await readPlan(call, runnerOptions);
  const detector = new FaceDetector(runnerOptions, log, (error) => interrupt.fail(error));
  const interrupt = interruptible(() => detector.hurry());
  const { signal } = interrupt;
  signal.addEventListener('abort', () => void detector.stop());
  try {
    return await runPlan(plan, { detector, log, terminal, signal });
  } catch (thrown) {
    // What an abort broke off has errors of its own.
    signal.throwIfAborted();
    throw thrown;
  } finally {
    terminal.progress('');
    await detector.stop();
    interrupt.release();
  }
}

async function readRunnerOptions({ settings, env }: PeopleCall, log: Log): Promise<RunnerOptions> {
  const { device, strictDevice, prepareModels, threads, intraOpThreads, shutdownTimeoutMs } = settings;
  // Nothing is posted with the label, and no server takes the vectors.
  const unused = { faceLabel: settings.faceModel, faceDim: 0, faceExtras: false };
  const faces = await faceOptions({ ...settings, ...unused }, env, log);
  if (faces === undefined) throw invalid('people needs a face model, and there is none: set FACE_MODEL_NAME.');
  return {
    ...(await photoOptions(settings, log)),
    ...isolationOptions(settings),
    ...faces,
    ...{ device, strictDevice, prepareModels, threads, intraOpThreads, shutdownTimeoutMs },
    hub: hubOptionsFromEnv(env),
  };
}

async function readPlan({ settings, flags }: PeopleCall, runnerOptions: RunnerOptions): Promise<PeoplePlan> {
  const access = readAccess(settings);
  const timeoutMs = readNumberFlag(flags, 'timeout', 1, 3_600_000);
  const method = choice(['greedy', 'linkage'])(String(flags['method']));
  const options = resolveRunnerOptions(runnerOptions);
  await checkRoots(options.roots);
  const [stateFile, reportFile, isDryRun] = [
    String(flags['state']),
    textFlag(flags['report']),
    flags['dryRun'] === true,
  ];
  const book = await AlbumBook.open(stateFile, access.baseUrl);
  if (!isDryRun) await checkTarget(stateFile, '--state');
  if (reportFile !== undefined) await checkTarget(reportFile, '--report');
  return {
    access,
    timeoutMs,
    options,
    grouping: { method, threshold: settings.faceDistance ?? DEFAULT_THRESHOLDS[method], minFaces: settings.minFaces },
    maxPhotos: settings.maxPhotos,
    book,
    cacheFolder: textFlag(flags['cache']),
    reportFile,
    isDryRun,
    isJson: flags['json'] === true,
  };
}

function textFlag(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
