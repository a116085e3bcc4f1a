// Needed only after a change of kernel.as.
import { compileKernel } from '../compile-kernel.mjs';

compileKernel('resample-kernel', 'src/tasks/image/resample-kernel-binary.ts');
