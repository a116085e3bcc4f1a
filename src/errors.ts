/**
 * One error class with a stable code. Branch on `code`, never on the message.
 *
 * `retry` says what a failure means for the job it belongs to:
 * - `never`: trying again cannot help; the job goes to the dead letters.
 * - `later`: an attempt is spent; the job is tried again after a back-off.
 * - `wait`:  the fault is not the job's (an outage, a wrong token); no attempt is spent.
 */
export type RetryClass = 'never' | 'later' | 'wait';

interface ErrorFacts {
  readonly retry: RetryClass;
  /** The `reason` of a dead letter; short, stable, without data of the job. */
  readonly reason: string;
  /** How many attempts a `later` error is worth, where that is fewer than the queue's limit. */
  readonly maxAttempts?: number;
}

/** Every code that the library throws or reports. `docs/errors.md` explains each; a test compares the two. */
export const ERROR_FACTS = {
  OPTIONS_INVALID: { retry: 'never', reason: 'options' },
  RUNNER_STOPPED: { retry: 'wait', reason: 'stopped' },
  PORT_UNAVAILABLE: { retry: 'wait', reason: 'port' },
  INTERNAL: { retry: 'later', reason: 'internal' },

  JOB_INVALID: { retry: 'never', reason: 'invalid' },
  JOB_TOO_LARGE: { retry: 'never', reason: 'too_large' },
  JOB_POISON: { retry: 'never', reason: 'poison' },

  PATH_INVALID: { retry: 'never', reason: 'path' },
  PATH_OUTSIDE_ROOT: { retry: 'never', reason: 'path' },
  FILE_NOT_FOUND: { retry: 'later', reason: 'not_found', maxAttempts: 2 },
  FILE_NOT_REGULAR: { retry: 'never', reason: 'path' },
  FILE_EMPTY: { retry: 'later', reason: 'empty', maxAttempts: 2 },
  FILE_TOO_LARGE: { retry: 'never', reason: 'too_large' },
  FILE_DENIED: { retry: 'later', reason: 'denied', maxAttempts: 3 },
  FILE_CHANGING: { retry: 'later', reason: 'decode', maxAttempts: 3 },
  FILE_TIMEOUT: { retry: 'later', reason: 'timeout' },
  FILE_IO: { retry: 'later', reason: 'io' },

  IMAGE_DECODE: { retry: 'never', reason: 'decode' },
  IMAGE_UNSUPPORTED: { retry: 'never', reason: 'unsupported' },
  IMAGE_TOO_LARGE: { retry: 'never', reason: 'too_large' },
  IMAGE_TIMEOUT: { retry: 'never', reason: 'timeout' },

  MODEL_NOT_FOUND: { retry: 'never', reason: 'model' },
  MODEL_INVALID: { retry: 'never', reason: 'model' },
  MODEL_DOWNLOAD: { retry: 'never', reason: 'model' },
  MODEL_OFFLINE: { retry: 'never', reason: 'model' },
  MODEL_CORRUPT: { retry: 'never', reason: 'model' },
  MODEL_WRONG_LENGTH: { retry: 'never', reason: 'model' },
  MODEL_SELF_TEST: { retry: 'never', reason: 'model' },
  DEVICE_UNAVAILABLE: { retry: 'never', reason: 'device' },
  RUN_FAILED: { retry: 'later', reason: 'run' },
  RUN_BAD_OUTPUT: { retry: 'never', reason: 'output' },
  TASK_FAILED: { retry: 'later', reason: 'task' },

  THREAD_DIED: { retry: 'later', reason: 'thread' },
  THREAD_TIMEOUT: { retry: 'later', reason: 'timeout' },
  PROCESS_DIED: { retry: 'later', reason: 'process' },

  HTTP_REJECTED: { retry: 'never', reason: 'http' },
  HTTP_GONE: { retry: 'never', reason: 'http_404' },
  HTTP_UNAUTHORIZED: { retry: 'wait', reason: 'http_401' },
  HTTP_RATE_LIMITED: { retry: 'wait', reason: 'http_429' },
  HTTP_UNAVAILABLE: { retry: 'wait', reason: 'http_unavailable' },
  HTTP_SERVER_ERROR: { retry: 'later', reason: 'http_500' },
  HTTP_REDIRECT: { retry: 'later', reason: 'http_redirect' },
  HTTP_TIMEOUT: { retry: 'wait', reason: 'http_timeout' },

  QUEUE_UNAVAILABLE: { retry: 'wait', reason: 'queue' },
  QUEUE_WRONG_TYPE: { retry: 'wait', reason: 'queue' },
  QUEUE_CLOSED: { retry: 'wait', reason: 'queue' },
} as const satisfies Record<string, ErrorFacts>;

/** Stable name of a kind of failure; what to branch on. */
export type ErrorCode = keyof typeof ERROR_FACTS;

/** What an error may say besides its code and message. */
export interface RunnerErrorOptions {
  readonly cause?: unknown;
  /** Replaces the code's own dead-letter reason, e.g. `http_400`. */
  readonly reason?: string;
  /** The least time to wait before the next try, e.g. from `Retry-After`. */
  readonly retryAfterMs?: number;
  /** Processes that died with the work in hand. */
  readonly kills?: number;
}

/** What crosses a thread: classes and codes are lost by structured cloning, so errors travel as plain data. */
export interface ErrorEnvelope {
  readonly code: ErrorCode;
  readonly message: string;
  readonly reason?: string;
}

/** The only error that the library throws or reports. `message` says what was expected, what came, and what to do. */
export class RunnerError extends Error {
  override readonly name = 'RunnerError';
  readonly code: ErrorCode;
  /** Written beside a dead letter, e.g. `not_found` or `http_400`. */
  readonly reason: string;
  /** The least time to wait before the next try, in milliseconds, where a server named one. */
  readonly retryAfterMs: number | undefined;
  /** Processes that died with this work in hand, where that is why it failed. */
  readonly kills: number | undefined;

  constructor(code: ErrorCode, message: string, options: RunnerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = options.reason ?? ERROR_FACTS[code].reason;
    this.retryAfterMs = options.retryAfterMs;
    this.kills = options.kills;
  }

  /** Whether, and at whose expense, the job is tried again. */
  get retry(): RetryClass {
    return ERROR_FACTS[this.code].retry;
  }

  /** True unless trying the same job again can't help. */
  get retryable(): boolean {
    return this.retry !== 'never';
  }

  /** The attempts that this error is worth, or undefined for the queue's own limit. */
  get maxAttempts(): number | undefined {
    const facts: ErrorFacts = ERROR_FACTS[this.code];
    return facts.maxAttempts;
  }

  /** As plain data, for another thread or process; `cause`, `retryAfterMs` and `kills` stay behind. */
  toEnvelope(): ErrorEnvelope {
    return { code: this.code, message: this.message, reason: this.reason };
  }

  /** The error that `toEnvelope()` was called on, as far as it was carried over. */
  static fromEnvelope(envelope: ErrorEnvelope): RunnerError {
    const { code, message, reason } = envelope;
    // `this`, because the bundler would rename a class that names itself, and stacks would say `_RunnerError`.
    return new this(code, message, reason === undefined ? {} : { reason });
  }
}

/** Gives any thrown value a code; a `RunnerError` is returned as it is. */
export function coerceError(thrown: unknown, code: ErrorCode = 'INTERNAL'): RunnerError {
  if (thrown instanceof RunnerError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RunnerError(code, message, { cause: thrown });
}

/** The code of a Node.js system error (`ENOENT`, …), or undefined. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { code } = thrown as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : undefined;
}
