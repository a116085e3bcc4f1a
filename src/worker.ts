import { workerData } from 'node:worker_threads';
import { RunnerError, coerceError } from './errors.js';
import { mayUseDevice, openOnnxSession } from './pool/session.js';
import { SessionThread } from './pool/session-thread.js';
import { ThreadServer, type OpenUnit, type ReadPorts } from './pool/thread.js';
import type { ThreadItem, ThreadRequest, WorkerData, WorkerSettings } from './pool/protocol.js';
import { decodePhoto, mergeNeeds } from './tasks/image/decode.js';
import { blameUpload, readPhotoFile } from './tasks/image/read-file.js';
import { configureSharp } from './tasks/image/sharp.js';
import { BUILT_IN_TASKS } from './tasks/index.js';
import type { Photo, Task, TaskUnit } from './tasks/task.js';
import type { Session } from './tensor.js';

/** The conductor of a worker thread: what `conductor.ts` is to the main thread, this is here. */

type Unit = OpenUnit & Pick<TaskUnit, 'minPixels'>;

/** On a device apart from the processor the preparation of the next batch goes on while a model runs. */
function sessionOpener({ session }: WorkerSettings): (file: string) => Promise<Session> {
  if (!mayUseDevice(session)) return (file) => openOnnxSession(file, session);
  const thread = new SessionThread();
  return (file) => thread.open(file, session);
}

async function openUnits(settings: WorkerSettings, onTask: (task: string) => void): Promise<readonly Unit[]> {
  const units: Unit[] = [];
  const openSession = sessionOpener(settings);
  for (const ref of settings.tasks) {
    onTask(ref.name);
    const task = await importTask(ref.name, ref.module);
    const opened = await task.open({
      ...settings.models,
      maxBatch: settings.maxBatch,
      openSession,
    });
    for (const unit of opened) units.push(describeUnit(task, unit, settings));
  }
  return units;
}

function describeUnit(task: Task, unit: TaskUnit, settings: WorkerSettings): Unit {
  return {
    task: task.name,
    label: unit.label,
    device: unit.device ?? 'cpu',
    maxBatch: Math.min(unit.maxBatch ?? settings.maxBatch, settings.maxBatch),
    ...(unit.modelName === undefined ? {} : { modelName: unit.modelName }),
    ...(unit.dimension === undefined ? {} : { dimension: unit.dimension }),
    ...(unit.minPixels === undefined ? {} : { minPixels: unit.minPixels }),
    ...(unit.weigh === undefined ? {} : { weigh: (prepared) => unit.weigh?.(prepared) ?? 1 }),
    prepare: (input) => unit.prepare(input as never),
    run: (inputs) => unit.run(inputs),
  };
}

async function importTask(name: string, module: string | undefined): Promise<Task> {
  if (module === undefined) {
    const task = BUILT_IN_TASKS.find((candidate) => candidate.name === name);
    if (task === undefined) throw new RunnerError('OPTIONS_INVALID', `There is no built-in task "${name}".`);
    return task;
  }
  const { default: task } = (await import(module)) as { default?: Task };
  if (typeof task?.open === 'function') return task;
  throw new RunnerError(
    'OPTIONS_INVALID',
    `The module of the task "${name}" must export the task by default: ${module}`,
  );
}

async function readInput(
  item: ThreadItem,
  units: readonly Unit[],
  { image }: WorkerSettings,
  { measure, admit }: ReadPorts,
): Promise<unknown> {
  const { input, isTrusted } = item;
  if (input.kind === 'text') return input.text;
  const need = mergeNeeds(units.map((unit) => unit.minPixels ?? 'full'));
  const reducedNeed = mergeNeeds(units.flatMap((unit) => unit.minPixels ?? []));
  const decode = (bytes: Uint8Array): Promise<Photo> =>
    measure('decode', () => decodePhoto(bytes, { settings: image, need, reducedNeed, admit }));
  if ('bytes' in input) return decode(input.bytes);
  const access = { roots: image.roots, isTrusted, maxFileBytes: image.maxFileBytes };
  const bytes = await measure('read', () => readPhotoFile(input.path, access));
  try {
    return await decode(bytes);
  } catch (thrown) {
    throw await blameUpload(coerceError(thrown, 'IMAGE_DECODE'), input.path, access);
  }
}

/** Node.js forbids threads to abort. In a process of their own a task's wish to end it is granted, as a crash would. */
function allowAbort(): void {
  process.abort = () => process.kill(process.pid, 'SIGABRT') as never;
}

function serveThread({
  settings,
  shared,
  threads,
  isOwnProcess,
}: WorkerData): (request: ThreadRequest) => Promise<void> {
  if (isOwnProcess) allowAbort();
  configureSharp({ blockDecoders: settings.image.blockDecoders });
  const server = new ThreadServer<Unit>(
    {
      open: (onTask) => openUnits(settings, onTask),
      read: (item, units, ports) => readInput(item, units, settings, ports),
      readConcurrency: settings.image.decodeConcurrency,
      decodedBytes: settings.image.maxDecodedBytes,
      runsAhead: mayUseDevice(settings.session),
    },
    shared,
    threads,
  );
  return (request) => server.handle(request);
}

export default serveThread(workerData as WorkerData);
