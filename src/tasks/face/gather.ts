import { RunnerError, coerceError } from '../../errors.js';

/**
 * Lets inputs that are ready at the same time share a run of at most `limit`, without waiting for more: while a run is
 * under way, others gather for the next. Where a run fails, its inputs run one by one, so that a bad one fails alone.
 * @returns a function whose promise rejects with the input's own error
 */
export function gatherRuns<Input, Output>(
  run: (inputs: readonly Input[]) => Promise<readonly (Output | RunnerError)[]>,
  limit: number,
): (input: Input) => Promise<Output> {
  interface Waiting {
    readonly input: Input;
    readonly settle: (output: Output | RunnerError | undefined) => void;
  }
  const waiting: Waiting[] = [];
  let isRunning = false;

  async function runGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const outputs = await run(group.map(({ input }) => input));
      group.forEach(({ settle }, index) => settle(outputs[index]));
    } catch (thrown) {
      const [only] = group;
      if (group.length === 1) only?.settle(coerceError(thrown));
      else for (const one of group) await runGroup([one]);
    }
  }

  async function runAll(): Promise<void> {
    isRunning = true;
    while (waiting.length > 0) {
      // Decoders that have finished meanwhile report in this turn of the loop, and so get into the same run.
      await new Promise((resolve) => setImmediate(resolve));
      await runGroup(waiting.splice(0, limit));
    }
    isRunning = false;
  }

  return (input) =>
    new Promise<Output>((resolve, reject) => {
      const settle = (output: Output | RunnerError | undefined): void => {
        if (output instanceof RunnerError) reject(output);
        else if (output === undefined) reject(new RunnerError('INTERNAL', 'A run gave too few answers.'));
        else resolve(output);
      };
      waiting.push({ input, settle });
      if (!isRunning) void runAll();
    });
}
