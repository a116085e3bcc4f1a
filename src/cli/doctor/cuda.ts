import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** A shared library that CUDA needs besides onnxruntime's own, and what brings it. */
export interface CudaLibrary {
  readonly file: string;
  readonly from: 'driver' | 'cuda' | 'cudnn';
}

/** What `libonnxruntime_providers_cuda.so` of the pinned onnxruntime-node is linked against on Linux. */
const LIBRARIES: readonly CudaLibrary[] = [
  { file: 'libcuda.so.1', from: 'driver' },
  { file: 'libcudart.so.12', from: 'cuda' },
  { file: 'libcublas.so.12', from: 'cuda' },
  { file: 'libcublasLt.so.12', from: 'cuda' },
  { file: 'libcufft.so.11', from: 'cuda' },
  { file: 'libcurand.so.10', from: 'cuda' },
  { file: 'libcudnn.so.9', from: 'cudnn' },
];

const FOLDERS = ['/usr/lib64', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/local/cuda/lib64'];

/** What to install for each of them. */
export const CUDA_REMEDIES: Readonly<Record<CudaLibrary['from'], string>> = {
  driver: "install NVIDIA's driver (in a container: the NVIDIA Container Toolkit, and --gpus all)",
  cuda: 'install CUDA 12 (its runtime libraries are enough)',
  cudnn: 'install cuDNN 9 for CUDA 12',
};

/** The libraries that the system's loader would not find; those of onnxruntime itself are not among them. */
export async function missingCudaLibraries(env: NodeJS.ProcessEnv): Promise<readonly CudaLibrary[]> {
  const folders = [
    ...(env['LD_LIBRARY_PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== ''),
    ...FOLDERS,
  ];
  const listed = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])));
  const known = new Set([...listed.flat(), ...(await loaderCache())]);
  return LIBRARIES.filter(({ file }) => !known.has(file));
}

async function loaderCache(): Promise<readonly string[]> {
  for (const command of ['/sbin/ldconfig', '/usr/sbin/ldconfig']) {
    const listed = await promisify(execFile)(command, ['-p'], { timeout: 5000 }).catch(() => undefined);
    if (listed !== undefined) return listed.stdout.split('\n').map((line) => line.trim().split(' ', 1)[0] ?? '');
  }
  return [];
}
