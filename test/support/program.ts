import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Root of the repository. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface ProgramOptions {
  /** @default the root of the repository */
  readonly cwd?: string;
  /** The whole environment. @default what Node itself needs of this process's */
  readonly env?: Readonly<Record<string, string>>;
  /** After this time it is ended with SIGKILL. @default 180000 */
  readonly withinMs?: number;
  /** @default 'ignore' */
  readonly stdin?: 'ignore' | 'pipe';
}

export interface Ending {
  /** The exit code, or the signal that ended it. */
  readonly ended: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program under test, as a process of its own. */
export class Program {
  readonly child: ChildProcess;
  readonly #done: Promise<Ending>;
  #stdout = '';
  #stderr = '';

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    const { cwd = ROOT, env = plainEnvironment(), withinMs = 180_000, stdin = 'ignore' } = options;
    this.child = spawn(command, args, { cwd, env, stdio: [stdin, 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (data: Buffer) => (this.#stdout += data.toString()));
    this.child.stderr?.on('data', (data: Buffer) => (this.#stderr += data.toString()));
    const timer = setTimeout(() => this.child.kill('SIGKILL'), withinMs);
    this.#done = once(this.child, 'close').then(([code, signal]) => {
      clearTimeout(timer);
      return { ended: (code ?? signal) as number | string, stdout: this.#stdout, stderr: this.#stderr };
    });
    this.#done.catch(() => undefined);
  }

  /** Its ending and all that it wrote; rejects where it could not be started. */
  async end(): Promise<Ending> {
    return this.#done;
  }

  /** What the pattern finds in what was written, once it does; rejects where the program ends first. */
  async prints(pattern: RegExp, to: 'stdout' | 'stderr' = 'stdout'): Promise<string> {
    for (;;) {
      const found = pattern.exec(to === 'stdout' ? this.#stdout : this.#stderr)?.[0];
      if (found !== undefined) return found;
      const news = once(this.child[to]!, 'data').then(() => undefined);
      const ending = await Promise.race([news, this.#done]);
      if (ending !== undefined && !pattern.test(ending[to]))
        throw new Error(`It ended with ${ending.ended} before it printed ${String(pattern)}:\n${ending.stderr}`);
    }
  }
}

/** Runs `node …` to its end. */
export async function runNode(args: readonly string[], options?: ProgramOptions): Promise<Ending> {
  return new Program(process.execPath, args, options).end();
}

/** PATH and HOME of this process, without what a developer's or npm's environment would change in a program. */
export function plainEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, ...more };
}
