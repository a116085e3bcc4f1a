// A program that answers lines of JSON with lines of JSON, so that two of them can be asked in turn.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ended, startChild } from './children.js';

/** Starts the program and waits for its line `ready`. What else it prints before that is left out. */
export async function startLineService(program, args, cwd, env = {}) {
  const child = startChild(program, args, { cwd, stdio: ['pipe', 'pipe', 2], env: { ...process.env, ...env } });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${program} ${args[0]} ended with ${await ended(child)}.`);
    return value;
  };
  while ((await nextLine()) !== 'ready');
  return {
    async ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return JSON.parse(await nextLine());
    },
    /** Highest resident memory so far. */
    peakMiB() {
      const [, kib = '0'] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      return Math.round(Number(kib) / 1024);
    },
    async stop() {
      child.stdin.end();
      await ended(child);
    },
  };
}
