import { RunnerError } from '../errors.js';

/** The work's own end, or a rejection with `error()` where it takes longer. */
export async function withDeadline<T>(work: Promise<T>, ms: number, error: () => RunnerError): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error()), ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

export function loadTimeout(ms: number): RunnerError {
  return new RunnerError(
    'THREAD_TIMEOUT',
    `The models were not loaded within ${ms} ms. Raise loadTimeoutMs, or use a smaller model.`,
  );
}
