import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Device } from '../model.js';

/** What can be told of devices without loading the runtime, which takes a process tens of megabytes. */

/** What NVIDIA's driver puts there on Linux, and what there is instead inside of Windows (WSL). */
const NVIDIA_NODES = ['/dev/nvidiactl', '/dev/dxg'];

/** The devices to try, best first. `auto` never fails: the processor is always the last of them. */
export function deviceCandidates(asked: Device): readonly Exclude<Device, 'auto'>[] {
  if (asked !== 'auto') return [asked];
  if (process.platform === 'win32') return ['cuda', 'dml', 'cpu'];
  if (process.platform === 'darwin') return ['coreml', 'cpu'];
  // The libraries come with the package, whether there is a GPU or not: the driver does not.
  return NVIDIA_NODES.some((node) => existsSync(node)) ? ['cuda', 'cpu'] : ['cpu'];
}

/** Why CUDA can't be used, where its library is plainly missing: the runtime itself would print to stderr that it is. */
export function whyNoCuda(): string | undefined {
  if (process.env['CUDA_VISIBLE_DEVICES'] === '') return 'CUDA_VISIBLE_DEVICES is empty';
  const library = process.platform === 'win32' ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so';
  return existsSync(path.join(nativeFolder(), library))
    ? undefined
    : `${library} is not installed in ${nativeFolder()}`;
}

/** Whether sessions may come to run on another device than the processor; when they are opened it may turn out that they don't. */
export function mayLeaveProcessor(asked: Device): boolean {
  return deviceCandidates(asked).some((one) => one !== 'cpu' && (one !== 'cuda' || whyNoCuda() === undefined));
}

function nativeFolder(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  return path.join(path.dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch);
}
