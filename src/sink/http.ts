import { inspect } from 'node:util';
import PQueue from 'p-queue';
import type { Dispatcher, Pool } from 'undici';
import { RunnerError } from '../errors.js';
import type { Delivery } from '../job.js';
import { classifyStatus, firstOf } from './classify.js';
import {
  resolveHttpOptions,
  resolvePath,
  resolveToken,
  type HttpSinkOptions,
  type ResolvedHttpOptions,
} from './http-options.js';
import { classifyBrokenBody, classifyNetworkError, isStaleConnection } from './network-error.js';
import { SharedAbort } from './shared-abort.js';
import type { Sink } from './sink.js';

export type { HttpSinkOptions } from './http-options.js';

/**
 * Idle connections are dropped after this time, well before any server or proxy in use drops them (nginx 75 s, Node.js 5 s):
 * a request that meets a closing connection fails without the server having seen it.
 */
const IDLE_CONNECTION_MS = 2_500;

/** A sink that posts to a gallery server. */
export interface HttpSink extends Sink {
  /** False where `x-internal-token` is sent empty: worth a warning, since most servers refuse that. */
  readonly hasToken: boolean;
  /** Ends deliveries under way with `RUNNER_STOPPED`, and all connections. Idempotent. */
  close(): Promise<void>;
}

/**
 * Posts each delivery as JSON below `baseUrl`. Redirects are never followed, certificates always verified. A connection
 * that breaks before any answer is replaced once at once; all further repeats are the courier's.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function httpSink(options: HttpSinkOptions = {}): HttpSink {
  const { token, ...rest } = options;
  return new PoolSink(resolveHttpOptions(rest), resolveToken(token));
}

class PoolSink implements HttpSink {
  readonly name: string;
  readonly hasToken: boolean;
  readonly concurrency: number;
  readonly #token: string;
  readonly #options: ResolvedHttpOptions;
  #pool: Promise<Pool> | undefined;
  readonly #queue: PQueue;
  readonly #aborts = new SharedAbort();
  readonly #underWay = new Set<AbortController>();
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedHttpOptions, token: string) {
    const { address, concurrency } = options;
    this.name = `${address.origin}${address.prefix}`;
    this.hasToken = token !== '';
    this.concurrency = concurrency;
    this.#token = token;
    this.#options = options;
    this.#queue = new PQueue({ concurrency });
  }

  async open(): Promise<void> {
    if (this.#closing === undefined) await (this.#pool ??= openPool(this.#options));
  }

  async deliver(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const path = resolvePath(this.#options.address, delivery.path);
    if (signal.aborted || this.#closing !== undefined) throw stopped();
    const stop = new AbortController();
    const unwatch = this.#aborts.watch(signal, () => stop.abort(stopped()));
    this.#underWay.add(stop);
    try {
      // With the signal, the queue answers as soon as it aborts, even where undici has yet to connect and can't.
      await this.#queue.add(() => this.#post(path, delivery, stop), { signal: stop.signal });
    } finally {
      unwatch();
      this.#underWay.delete(stop);
    }
  }

  close(): Promise<void> {
    this.#closing ??= (this.#pool ?? Promise.resolve(undefined)).then((pool) => pool?.destroy());
    for (const stop of this.#underWay) stop.abort(stopped());
    return this.#closing;
  }

  /** For `console.log` and the like. */
  [inspect.custom](): string {
    return `HttpSink { name: '${this.name}', hasToken: ${this.hasToken} }`;
  }

  /** One deadline for everything: undici's own begin anew with each byte that trickles in. */
  async #post(path: string, delivery: Delivery, stop: AbortController): Promise<void> {
    const { timeoutMs, maxResponseBytes } = this.#options;
    // A status that refuses says all, even where the text behind it breaks off or never ends.
    let refusal: RunnerError | undefined;
    const timer = setTimeout(() => stop.abort(refusal ?? timedOut(this.name, timeoutMs)), timeoutMs);
    try {
      const { statusCode, headers, body } = await this.#request(path, encodeBody(delivery), stop.signal);
      refusal = classifyStatus(statusCode, firstOf(headers['retry-after']), Date.now(), this.name);
      const broken = await drain(body, maxResponseBytes);
      if (refusal !== undefined) throw refusal;
      if (broken !== undefined) throw classifyBrokenBody(broken, this.name);
    } finally {
      clearTimeout(timer);
    }
  }

  async #request(path: string, body: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'clip-runner',
      'x-internal-token': this.#token,
    };
    const request = { method: 'POST', path, headers, body, signal } as const;
    try {
      const pool = await (this.#pool ??= openPool(this.#options));
      return await pool.request(request).catch((error: unknown) => {
        if (signal.aborted || !isStaleConnection(error)) throw error;
        return pool.request(request);
      });
    } catch (error) {
      throw classifyNetworkError(error, this.name);
    }
  }
}

/**
 * A pool knows one origin only: whatever a path holds, the token can't go to another server. The library is loaded here,
 * once it is needed.
 */
async function openPool({ address, concurrency, timeoutMs, ca }: ResolvedHttpOptions): Promise<Pool> {
  const { Pool } = await import('undici');
  return new Pool(address.origin, {
    connections: concurrency,
    pipelining: 1,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    keepAliveMaxTimeout: IDLE_CONNECTION_MS,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    autoSelectFamily: true,
    // Said outright, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in some .env can't switch it off.
    connect: { timeout: timeoutMs, rejectUnauthorized: true, ...(ca !== undefined && { ca: [...ca] }) },
  });
}

/** Reads an answer to its end or to `maxBytes`, so that its connection is free again or gone; answers what broke it. */
async function drain(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<unknown> {
  // The stream reports its end by the loop below; without a listener it would also end the process.
  body.on('error', () => undefined);
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) break;
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

function encodeBody(delivery: Delivery): string {
  try {
    return JSON.stringify(delivery.body);
  } catch (error) {
    const message = `The body of ${delivery.unit} can't be written as JSON; a task's deliveries must be plain data.`;
    throw new RunnerError('HTTP_REJECTED', message, { cause: error, reason: 'http_body' });
  }
}

function timedOut(server: string, timeoutMs: number): RunnerError {
  return new RunnerError(
    'HTTP_TIMEOUT',
    `${server} gave no complete answer within ${timeoutMs} ms; the delivery is repeated.`,
  );
}

function stopped(): RunnerError {
  return new RunnerError(
    'RUNNER_STOPPED',
    'The delivery was stopped before it was answered; the job is not settled by it.',
  );
}
