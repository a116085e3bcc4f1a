import { ScalarKernel } from '../../src/tasks/image/scalar-kernel.js';
import { createSimdKernel } from '../../src/tasks/image/thread-kernel.js';

/** Both implementations of the loops over pixels, for `describe.each`: they must give the same bits. */
export const KERNELS = [
  ['WebAssembly SIMD', createSimdKernel()!],
  ['plain JavaScript', new ScalarKernel()],
] as const;
