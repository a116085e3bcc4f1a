import { captionTask } from './caption.js';
import { clipTask } from './clip.js';
import { faceTask } from './face.js';
import { ocrTask } from './ocr.js';
import type { Task } from './task.js';
import { textTask } from './text.js';

/** Every built-in task, one line each. */
export const BUILT_IN_TASKS: readonly Task[] = [clipTask, textTask, faceTask, ocrTask, captionTask];
