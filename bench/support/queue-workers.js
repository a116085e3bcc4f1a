// Processes that take jobs from a queue and tell how many they have done: queue-runner.js, queue-floor.js and their peers.
import { once } from 'node:events';
import path from 'node:path';
import { endChild, ended, forkChild } from './children.js';

/** Starts processes of `script` with `args`; answers how to wait for what they do, and how to end them. */
export async function startWorkers({ script, args, processes = 1, root }) {
  const workers = Array.from({ length: processes }, () =>
    forkChild(path.join(root, script), args.map(String), { cwd: root }),
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
    void ended(worker).then((how) => {
      failure ??= how === '0' ? undefined : new Error(`${script} ended with ${how}`);
      wake();
    });
  }
  try {
    await Promise.all(workers.map(firstMessage));
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return {
    pids: workers.map(({ pid }) => pid),
    done: () => done,
    processorMs: () => [...processorMs.values()].reduce((sum, ms) => sum + ms, 0),
    async until(total) {
      while (done < total && !failure) await new Promise((resolve) => (wake = resolve));
      if (failure) throw failure;
    },
    stop,
  };

  function firstMessage(worker) {
    const early = ended(worker).then((how) => {
      throw new Error(`${script} ended with ${how} before it was ready`);
    });
    return Promise.race([once(worker, 'message'), early]);
  }

  async function stop() {
    await Promise.all(workers.map((worker) => endChild(worker)));
  }
}
