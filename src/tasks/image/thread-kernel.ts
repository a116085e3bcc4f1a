import { loadWasmKernel } from '../../wasm-kernel.js';
import { KERNEL_BASE64 } from './resample-kernel-binary.js';
import type { ResampleKernel } from './resample-kernel.js';
import { ScalarKernel } from './scalar-kernel.js';

/**
 * One per thread and never freed: instantiating costs more than a small picture. It is scratch for one synchronous call
 * and holds nothing between calls. Its size follows a few rows, not the picture: a few megabytes.
 */
let sharedKernel: ResampleKernel | undefined;

/** This thread's kernel. */
export function threadKernel(): ResampleKernel {
  return (sharedKernel ??= createKernel());
}

/** The fastest kernel that this processor runs. */
export function createKernel(): ResampleKernel {
  return createSimdKernel() ?? new ScalarKernel();
}

/** The WebAssembly kernel, or undefined where the engine or the processor has no 128-bit SIMD. */
export function createSimdKernel(): ResampleKernel | undefined {
  return loadWasmKernel(KERNEL_BASE64) as ResampleKernel | undefined;
}
