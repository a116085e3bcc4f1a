// Processes that take jobs from a queue and tell how many they have done: queue-runner.js, queue-floor.js and their peers.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** Starts processes of `script` with `args`; answers how to wait for what they do, and how to end them. */
export async function startWorkers({ script, args, processes = 1, root }) {
  const workers = Array.from({ length: processes }, () =>
    fork(path.join(root, script), args.map(String), { cwd: root }),
  );
  const processorMs = new Map();
  let done = 0;
  let failure;
  let wake = () => undefined;
  for (const worker of workers) {
    worker.on('message', ({ done: more = 0, processorMs: ms = 0, failed }) => {
      done += more;
      processorMs.set(worker, ms);
      failure ??= failed && new Error(failed);
      wake();
    });
    worker.once('exit', (code) => {
      failure ??= code === 0 ? undefined : new Error(`${script} ended with ${code}`);
      wake();
    });
  }
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  return {
    pids: workers.map(({ pid }) => pid),
    done: () => done,
    processorMs: () => [...processorMs.values()].reduce((sum, ms) => sum + ms, 0),
    async until(total) {
      while (done < total && !failure) await new Promise((resolve) => (wake = resolve));
      if (failure) throw failure;
    },
    async stop() {
      await Promise.all(
        workers.map(async (worker) => {
          worker.kill('SIGTERM');
          if (worker.exitCode === null) await once(worker, 'exit');
        }),
      );
    },
  };
}
