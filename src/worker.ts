import { parentPort, workerData } from 'node:worker_threads';
import { RunnerError } from './errors.js';
import { readExternalLocations } from './models/external-data.js';
import { fuseOperators } from './models/fuse-operators.js';
import { packSaid } from './pool/packed-messages.js';
import { preparedGraph } from './pool/prepared-graph.js';
import { mayUseDevice, openOnnxSession, type ReadyGraph } from './pool/session.js';
import { SessionThread } from './pool/session-thread.js';
import { ThreadServer, type OpenUnit, type ReadPorts } from './pool/thread.js';
import type * as PhotoReader from './photo-reader.js';
import type { ImageSettings, ThreadItem, ThreadRequest, WorkerData, WorkerSettings } from './pool/protocol.js';
import { releasePhoto } from './tasks/image/release.js';
import { BUILT_IN_TASKS } from './tasks/index.js';
import type { Photo, Task, TaskContext, TaskUnit } from './tasks/task.js';

/** The conductor of a worker thread: what `conductor.ts` is to the main thread, this is here. */

type Unit = OpenUnit & Pick<TaskUnit, 'minPixels'>;

/** On a device apart from the processor the preparation of the next batch goes on while a model runs. */
function sessionOpener({ session, preparedFolder }: WorkerSettings): TaskContext['openSession'] {
  if (!mayUseDevice(session))
    return (file, options) => openOnnxSession(file, { ...session, ...options }, readyGraph(file, preparedFolder));
  const thread = new SessionThread();
  return (file, options) => thread.open(file, { ...session, ...options });
}

async function openUnits(settings: WorkerSettings, onTask: (task: string) => void): Promise<readonly Unit[]> {
  const units: Unit[] = [];
  const open = sessionOpener(settings);
  for (const ref of settings.tasks) {
    onTask(ref.name);
    const task = await importTask(ref.name, ref.module);
    if (task.input === 'image') await loadPhotoReader().then((reader) => reader.configureSharp(settings.image));
    const refusals = new Set<string>();
    const openSession: TaskContext['openSession'] = async (file, options) => {
      const session = await open(file, options);
      for (const refusal of session.refusals ?? []) refusals.add(refusal);
      return session;
    };
    const opened = await task.open({ ...settings.models, maxBatch: settings.maxBatch, openSession });
    for (const unit of opened) units.push({ ...describeUnit(task, unit, settings), refusals: [...refusals] });
  }
  return units;
}

/** How to come by a graph that was made ready for this machine, or by one that has less to do. */
function readyGraph(file: string, folder: string | undefined): () => Promise<ReadyGraph | undefined> {
  return async () => {
    if (folder === undefined) return undefined;
    const prepared = await preparedGraph({ file, weights: readExternalLocations(file), folder });
    return prepared ?? fuseOperators(file);
  };
}

function describeUnit(task: Task, unit: TaskUnit, settings: WorkerSettings): Unit {
  return {
    task: task.name,
    label: unit.label,
    device: unit.device ?? 'cpu',
    ...batchOf(unit, settings.maxBatch),
    ...(unit.modelName === undefined ? {} : { modelName: unit.modelName }),
    ...(unit.dimension === undefined ? {} : { dimension: unit.dimension }),
    ...(unit.minPixels === undefined ? {} : { minPixels: unit.minPixels }),
    ...(unit.weigh === undefined ? {} : { weigh: (prepared) => unit.weigh?.(prepared) ?? 1 }),
    prepare: (input) => unit.prepare(input as never),
    run: (inputs, control) => unit.run(inputs, control),
    heedsControl: unit.heedsControl === true,
    releasesInput: unit.releasesInput === true,
  };
}

/** A fixed batch of photos or texts is what a whole batch should have; one of their parts (faces) says nothing of photos. */
function batchOf(unit: TaskUnit, most: number): Pick<Unit, 'maxBatch' | 'fixedBatch'> {
  const { fixedBatch, maxBatch = most } = unit;
  if (fixedBatch === undefined) return { maxBatch: Math.min(maxBatch, most) };
  return { maxBatch: unit.weigh === undefined ? fixedBatch : Math.min(maxBatch, most), fixedBatch };
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

/** Loaded where a task wants pictures: threads for texts alone are spared the decoders. */
const loadPhotoReader = async (): Promise<typeof PhotoReader> => import('./photo-reader.js');

async function readInput(
  item: ThreadItem,
  units: readonly Unit[],
  image: ImageSettings,
  ports: ReadPorts,
): Promise<unknown> {
  const { input } = item;
  if (input.kind === 'text') return input.text;
  const { readPhoto } = await loadPhotoReader();
  return readPhoto({ input, isTrusted: item.isTrusted }, units, image, ports);
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
  const server = new ThreadServer<Unit>(
    {
      open: (onTask) => openUnits(settings, onTask),
      read: (item, units, ports) => readInput(item, units, settings.image, ports),
      release: (input) => {
        if (typeof input === 'object') releasePhoto(input as Photo);
      },
      readConcurrency: settings.image.decodeConcurrency,
      decodedBytes: settings.image.maxDecodedBytes,
      runsAhead: mayUseDevice(settings.session),
    },
    shared,
    threads,
  );
  return (request) => server.handle(request, (said) => parentPort?.postMessage(packSaid(said)));
}

export default serveThread(workerData as WorkerData);
