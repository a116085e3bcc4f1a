import type { RunnerStats } from '../stats.js';

const BAR_CELLS = 20;

/** `done 120 · 14.2 photos/s · waiting 880 · failed 3 · 1 min left` */
export function progressLine(stats: RunnerStats, waiting: number, noun: string): string {
  const { done, buried, retried } = stats.jobs;
  const parts = [
    `done ${done}`,
    `${stats.jobsPerSecond.toFixed(1)} ${noun}s/s`,
    `waiting ${waiting}`,
    `failed ${buried}`,
  ];
  if (retried > 0) parts.push(`retried ${retried}`);
  if (stats.isSinkDown) parts.push('SERVER DOWN');
  const left = waiting + stats.jobs.inFlight;
  if (left > 0 && stats.jobsPerSecond > 0) parts.push(`${duration(left / stats.jobsPerSecond)} left`);
  return parts.join(' · ');
}

/** The same as fields of a log entry; the rate is `photosPerSecond` or `textsPerSecond`. */
export function progressFacts({ jobs, jobsPerSecond }: RunnerStats, waiting: number, noun: string): object {
  return {
    done: jobs.done,
    [`${noun}sPerSecond`]: Number(jobsPerSecond.toFixed(2)),
    waiting,
    failed: jobs.buried,
    inFlight: jobs.inFlight,
  };
}

/** `40 s`, `12 min`, `1.5 h` */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** `[=====               ]` for a quarter. */
export function bar(part: number): string {
  return `[${'='.repeat(Math.floor(part * BAR_CELLS)).padEnd(BAR_CELLS)}]`;
}
