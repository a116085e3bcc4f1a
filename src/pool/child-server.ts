import { writeFileSync } from 'node:fs';
import { coerceError } from '../errors.js';
import { packLines } from './packed-messages.js';
import type { ChildLine, ChildMessage, ChildRequest, ThreadItem } from './protocol.js';
import { SaidTogether } from './said-together.js';
import { ThreadPool } from './thread-pool.js';

/** How often the parent hears how much memory this process takes. */
const MEMORY_EVERY_MS = 1000;
/** The parent keeps the time: what it finds overdue ends with this whole process. */
const NO_TIMEOUT_MS = 2_147_483_647;
/** Of two processes that could be ended for want of memory the system takes this one: the parent knows what to do then. */
const OOM_SCORE = '500';

type Post = (message: ChildMessage, onSent?: () => void) => void;

/**
 * The child's side: hosts a pool of threads for the parent. It holds nothing that would be worth a goodbye, so its end is
 * always SIGKILL: an exit would wait for threads that are inside a model.
 */
export class ChildServer {
  readonly #post: Post;
  #pool: ThreadPool | undefined;
  readonly #lines: SaidTogether<ChildLine>;

  constructor(post: Post) {
    this.#post = post;
    this.#lines = new SaidTogether((lines) => post({ type: 'said', said: packLines(lines) }), failedInstead);
  }

  handle(request: ChildRequest): void {
    if (request.type === 'load') void this.#load(request);
    else if (request.type === 'batch') void this.#run(request.batch, request.items);
    else this.#pool?.cancel();
  }

  /** Tells the parent why, and ends this process. */
  die(thrown: unknown): void {
    this.#lines.flush();
    this.#post({ type: 'dying', message: coerceError(thrown).message }, () => this.end());
  }

  end(): void {
    process.kill(process.pid, 'SIGKILL');
  }

  async #load({ threads, settings }: ChildRequest & { readonly type: 'load' }): Promise<void> {
    raiseOomScore();
    try {
      // Time and memory are the parent's to judge.
      const limits = { loadTimeoutMs: NO_TIMEOUT_MS, batchTimeoutMs: NO_TIMEOUT_MS, maxMemoryBytes: 0 };
      this.#pool = new ThreadPool({ threads, settings, ...limits }, true);
      const report = await this.#pool.load();
      this.#post({ type: 'loaded', report, rssBytes: process.memoryUsage.rss() });
    } catch (thrown) {
      this.#post({ type: 'refused', error: coerceError(thrown).toEnvelope() });
      return;
    }
    setInterval(() => this.#post({ type: 'memory', rssBytes: process.memoryUsage.rss() }), MEMORY_EVERY_MS).unref();
  }

  async #run(batch: number, items: readonly ThreadItem[]): Promise<void> {
    try {
      await this.#pool?.run(items, (message) => {
        if (message.type !== 'end') this.#lines.say({ batch, message });
      });
      this.#lines.say({ batch, message: { type: 'end' } });
    } catch (thrown) {
      const error = coerceError(thrown);
      // Native code of a thread that ended may have left anything behind; and the parent knows what to do with the items.
      if (error.code === 'THREAD_DIED') this.die(error);
      else this.#lines.say({ batch, message: { type: 'end', error: error.toEnvelope() } });
    }
  }
}

/** For a value that crosses threads but not processes (a port, shared memory). */
function failedInstead({ batch, message }: ChildLine, thrown: unknown): ChildLine {
  if (message.type !== 'outcome') throw thrown;
  const error = coerceError(thrown, 'TASK_FAILED').toEnvelope();
  return { batch, message: { ...message, outcome: { ok: false, error } } };
}

function raiseOomScore(): void {
  if (process.platform !== 'linux') return;
  try {
    writeFileSync('/proc/self/oom_score_adj', OOM_SCORE);
  } catch {
    // A hardened container may not allow it; the order in which the system chooses is then its own.
  }
}
