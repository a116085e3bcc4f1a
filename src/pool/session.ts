import { rm } from 'node:fs/promises';
import path from 'node:path';
import { InferenceSession, Tensor, env, listSupportedBackends } from 'onnxruntime-node';
import { RunnerError, coerceError } from '../errors.js';
import type { Device } from '../model.js';
import type { Session, TensorData, TensorInfo } from '../tensor.js';
import { deviceCandidates, whyNoCuda } from './devices.js';
import type { SessionSettings } from './protocol.js';

/** The runtime and its version: what it saves no other version reads. */
export const RUNTIME = `onnxruntime-node ${env.versions.node ?? ''}`;

/** What is opened in the place of a file: another file, which the runtime has optimised already, or the bytes of a graph. */
export type ReadyGraph = string | Uint8Array;

/**
 * Opens an ONNX graph. This module is the only one that knows onnxruntime-node. For the processor `findReady` may answer a graph
 * that was made of the file; one that can't be opened is passed over.
 * @throws RunnerError `DEVICE_UNAVAILABLE` with `strictDevice` where the device asked for can't be had,
 *   `MODEL_INVALID` where the runtime refuses the file.
 */
export async function openOnnxSession(
  file: string,
  settings: SessionSettings,
  findReady: () => Promise<ReadyGraph | undefined> = () => Promise.resolve(undefined),
): Promise<Session> {
  const refusals: string[] = [];
  for (const device of [...deviceCandidates(settings.device), ...fallback(settings)]) {
    const missing = whyUnavailable(device);
    if (missing !== undefined) {
      // A machine without it is nothing to tell of where nobody has asked for it.
      if (settings.device !== 'auto') refusals.push(`${device}: ${missing}`);
      continue;
    }
    try {
      const ready = device === 'cpu' ? await openReady(await findReady(), settings) : undefined;
      const session = ready ?? (await InferenceSession.create(file, sessionOptions(device, settings)));
      return wrapSession(session, device, refusals);
    } catch (thrown) {
      if (device === 'cpu') throw invalidModel(file, thrown);
      refusals.push(`${device}: ${firstLine(thrown)}`);
    }
  }
  throw new RunnerError(
    'DEVICE_UNAVAILABLE',
    `The device "${settings.device}" was asked for with strictDevice, but it can't be used here (${refusals.join('; ')}). ` +
      'Install what is missing, or ask for device "cpu" or "auto".',
  );
}

/**
 * Saves a graph as the runtime has optimised it for this machine's processor, and beside it, in one file that a session maps,
 * the weights, once as they are and once packed as the kernels read them (`isPacked`).
 * @throws what the runtime throws
 */
export async function saveOptimizedGraph(
  graph: string | Uint8Array,
  target: string,
  weights: string,
  isPacked = true,
): Promise<void> {
  const options = sessionOptions('cpu', { device: 'cpu', strictDevice: false, intraOpThreads: 1 });
  const saving = {
    optimized_model_external_initializers_file_name: weights,
    optimized_model_external_initializers_min_size_in_bytes: '1024',
    save_external_prepacked_constant_initializers: isPacked ? '1' : '0',
  };
  const session = await create(graph, {
    ...options,
    optimizedModelFilePath: target,
    extra: { session: { ...saving, intra_op: { allow_spinning: '0' } } },
  });
  await session.release();
}

async function openReady(
  ready: ReadyGraph | undefined,
  settings: SessionSettings,
): Promise<InferenceSession | undefined> {
  if (ready === undefined) return undefined;
  const options = sessionOptions('cpu', settings);
  try {
    return await create(
      ready,
      typeof ready === 'string' ? { ...options, graphOptimizationLevel: 'disabled' } : options,
    );
  } catch {
    // Something has happened to a file on the disk: the next start makes a new one.
    if (typeof ready === 'string')
      await rm(path.dirname(ready), { recursive: true, force: true }).catch(() => undefined);
    return undefined;
  }
}

/** The runtime's declarations have one function for a file and one for bytes. */
function create(graph: ReadyGraph, options: InferenceSession.SessionOptions): Promise<InferenceSession> {
  return typeof graph === 'string' ? InferenceSession.create(graph, options) : InferenceSession.create(graph, options);
}

/**
 * Whether sessions may come to run on another device than the processor. As far as this can be told without trying: it may
 * still turn out that they don't.
 */
export function mayUseDevice({ device }: SessionSettings): boolean {
  return deviceCandidates(device).some((one) => one !== 'cpu' && whyUnavailable(one) === undefined);
}

/** A device that was looked at. */
export interface DeviceReport {
  readonly device: Exclude<Device, 'auto'>;
  /** Why it can't be used; undefined where nothing is known against it. */
  readonly missing: string | undefined;
}

/** Each device that sessions can be asked to run on, and what keeps them from it here. */
export function reportDevices(): readonly DeviceReport[] {
  const devices = ['cpu', 'cuda', 'dml', 'coreml', 'webgpu'] as const;
  return devices.map((device) => ({ device, missing: whyUnavailable(device) }));
}

/** Where the device that is asked for can't be had. */
function fallback({ device, strictDevice }: SessionSettings): readonly 'cpu'[] {
  return strictDevice || device === 'auto' || device === 'cpu' ? [] : ['cpu'];
}

/** Why a device can't be used here, as far as this can be told without trying. */
function whyUnavailable(device: Device): string | undefined {
  if (device === 'cpu' || device === 'auto') return undefined;
  if (!listSupportedBackends().some(({ name }) => name === device)) {
    return `this build of onnxruntime-node has no support for it on ${process.platform}-${process.arch}`;
  }
  return device === 'cuda' ? whyNoCuda() : undefined;
}

function sessionOptions(device: Device, settings: SessionSettings): InferenceSession.SessionOptions {
  const { arena = true } = settings;
  return {
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    intraOpNumThreads: settings.intraOpThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableCpuMemArena: arena,
    // A plan of the memory is kept for every size of batch, and saves no time that can be measured where there is an arena. Without
    // one it makes a single piece of a run's memory.
    enableMemPattern: !arena,
    logSeverityLevel: 3,
    // Threads that spin for more work take the cores from the decoders of the next batch.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
}

function wrapSession(session: InferenceSession, device: Device, refusals: readonly string[]): Session {
  return {
    inputs: describe(session.inputMetadata),
    outputs: describe(session.outputMetadata),
    device,
    refusals,
    async run(feeds) {
      const tensors = Object.fromEntries(
        Object.entries(feeds).map(([name, { type, data, dims }]) => [
          name,
          new Tensor(type as 'float32', data as never, dims),
        ]),
      );
      try {
        return readOutputs(await session.run(tensors));
      } catch (thrown) {
        throw new RunnerError('RUN_FAILED', `The model failed to run: ${firstLine(thrown)}`, { cause: thrown });
      } finally {
        for (const tensor of Object.values(tensors)) tensor.dispose();
      }
    },
    close: () => session.release(),
  };
}

function describe(metadata: readonly InferenceSession.ValueMetadata[]): readonly TensorInfo[] {
  return metadata.map((value) => ({
    name: value.name,
    type: value.isTensor ? value.type : 'sequence',
    shape: value.isTensor ? value.shape : [],
  }));
}

function readOutputs(outputs: InferenceSession.ReturnType): Record<string, TensorData> {
  const read: Record<string, TensorData> = {};
  for (const [name, value] of Object.entries(outputs)) {
    if (!('data' in value)) continue;
    read[name] = { type: value.type, data: value.data as TensorData['data'], dims: value.dims };
  }
  return read;
}

function invalidModel(file: string, thrown: unknown): RunnerError {
  const error = coerceError(thrown);
  return new RunnerError('MODEL_INVALID', `onnxruntime can't open ${file}: ${firstLine(error)}`, { cause: thrown });
}

function firstLine(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.split('\n', 1)[0] ?? text;
}
