import { clipTask } from './clip.js';
import type { Task } from './task.js';

/** Every built-in task, one line each. */
export const BUILT_IN_TASKS: readonly Task[] = [clipTask];
