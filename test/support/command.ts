import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [fact: string]: unknown;
}

/** `clip-runner …` as a process of its own. */
export class CommandProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  #waiting: (() => void)[] = [];

  /**
   * Of this process's environment only what Node itself needs is passed on. Photos are not
   * described, and texts not read, unless a test says so. `launcher`: a command that becomes the one after it.
   */
  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    cwd?: string,
    launcher: readonly string[] = [],
  ) {
    const { PATH = '', HOME = '' } = process.env;
    const [program = '', ...rest] = [...launcher, process.execPath, CLI, ...args];
    this.child = spawn(program, rest, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { PATH, HOME, CAPTION_ENABLED: '0', OCR_ENABLED: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (data: Buffer) => (this.stdout += data.toString()));
    this.child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString();
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  get log(): readonly LogLine[] {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Resolves when a line with this message has been logged. */
  async logged(message: string): Promise<void> {
    const exit = once(this.child, 'exit');
    while (!this.log.some(({ msg }) => msg.includes(message))) {
      if (this.child.exitCode !== null)
        throw new Error(`ended with ${this.child.exitCode} before "${message}":\n${this.stderr}`);
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), exit]);
    }
  }

  /** The exit code, or the signal that ended it. */
  async ended(): Promise<number | string> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode ?? this.child.signalCode ?? 'unknown';
  }

  async kill(signal: NodeJS.Signals): Promise<number | string> {
    this.child.kill(signal);
    return this.ended();
  }
}
