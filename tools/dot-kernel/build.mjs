// Needed only after a change of kernel.as.
import { compileKernel } from '../compile-kernel.mjs';

compileKernel('dot-kernel', 'src/album/dot-kernel-binary.ts');
