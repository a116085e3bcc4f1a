import type { Task } from './tasks/task.js';

/** What tasks are called, as they were asked for. */
export function taskNames(tasks: readonly (string | Task)[]): readonly string[] {
  return tasks.map((task) => (typeof task === 'string' ? task : task.name));
}
