import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** How quickly the dead are noticed: a soak can't wait for the half minute of production. */
export const SOAK_QUEUE = {
  heartbeatTtlMs: 3000,
  beatMs: 500,
  reapEveryMs: 1000,
  promoteEveryMs: 300,
  claimTimeoutMs: 1000,
  backoffBaseMs: 200,
  backoffMaxMs: 2000,
  // Random kills may meet the same job many times; it is not poison for that.
  maxKills: 100,
} as const;

/** What `runner.js` is started with. */
export interface SoakRunnerSettings {
  readonly workload: string;
  readonly redisUrl: string;
  readonly queueName: string;
  readonly sinkUrl: string;
  readonly model?: string;
  readonly photos?: string;
  readonly queue: typeof SOAK_QUEUE;
}

export type RunnerCounts = Readonly<Record<string, number>>;

/** A place for one runner process at a time; whoever ends is replaced. */
export class Post {
  readonly name: string;
  readonly #root: string;
  readonly #settings: SoakRunnerSettings;
  readonly #counts = new Map<string, number>();
  #child: ChildProcess | undefined;
  #last: RunnerCounts = {};
  /** What the runners wrote to stderr, the end of it. */
  stderr = '';
  starts = 0;
  /** Exit codes of orderly stops that were not 0. */
  readonly badExits: (number | string)[] = [];

  constructor(name: string, root: string, settings: SoakRunnerSettings) {
    this.name = name;
    this.#root = root;
    this.#settings = settings;
  }

  /** Starts a runner; resolves when it claims. */
  async start(): Promise<void> {
    this.starts += 1;
    const program = path.join(this.#root, 'test', 'soak', 'runner.js');
    const child = spawn(process.execPath, [program, JSON.stringify(this.#settings)], {
      cwd: this.#root,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.stderr?.on('data', (data: Buffer) => (this.stderr = (this.stderr + data.toString()).slice(-4000)));
    const ready = new Promise<void>((resolve) => {
      child.on('message', (message) => {
        if (message === 'ready') resolve();
        else this.#last = message as RunnerCounts;
      });
    });
    // One that is killed, or cut off, while it starts is ready never.
    await Promise.race([ready, once(child, 'exit')]);
  }

  /** Ends the runner with SIGKILL. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends the runner in good order. */
  async stop(): Promise<void> {
    const code = await this.#end('SIGTERM');
    if (code !== 0) this.badExits.push(code);
  }

  /** Holds the process for a time, as a machine that swaps or a virtual one that is moved. */
  async freeze(ms: number): Promise<void> {
    this.#child?.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#child?.kill('SIGCONT');
  }

  /** What all runners here have counted, as far as they could tell. */
  counts(): RunnerCounts {
    this.#addLast();
    return Object.fromEntries(this.#counts);
  }

  async #end(signal: NodeJS.Signals): Promise<number | string> {
    const child = this.#child;
    if (child === undefined) return 'never started';
    const ending = endingOf(child);
    if (ending !== null) return ending;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
    this.#addLast();
    return endingOf(child) ?? 'unknown';
  }

  #addLast(): void {
    for (const [name, count] of Object.entries(this.#last)) {
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
    }
    this.#last = {};
  }
}

/** Exit code or signal; null while it runs. */
function endingOf({ exitCode, signalCode }: ChildProcess): number | string | null {
  return exitCode ?? signalCode;
}
