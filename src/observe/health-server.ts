import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RunnerError, systemCode } from '../errors.js';
import { isLoopback, isSafeHost } from '../host-name.js';
import { Movement } from './movement.js';
import type { Watched } from './watched.js';

export interface HealthOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Time without any result, while work is in hand, after which the runner calls itself ill. */
  readonly stuckAfterMs: number;
  /** What `/metrics` answers; undefined: 501. */
  readonly metrics: { readonly contentType: string; text(): Promise<string> } | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

/** Probes and scrapes are small and few; whoever wants more is refused. */
const LIMITS = { headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 60_000, maxHeaderSize: 8192 };
const MAX_CONNECTIONS = 64;

/** `/healthz`, `/readyz` and `/metrics` of a runner, for those who watch it. */
export class HealthServer {
  readonly #runner: Watched;
  readonly #options: HealthOptions;
  readonly #movement: Movement;
  readonly #server: Server;
  #scrape: Promise<Answer> | undefined;

  constructor(runner: Watched, options: HealthOptions, now = () => performance.now()) {
    this.#runner = runner;
    this.#options = options;
    this.#movement = new Movement(runner, now);
    this.#server = createServer(LIMITS, (request, response) => void this.#serve(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /**
   * Answers the URL that it listens on.
   * @throws RunnerError `PORT_UNAVAILABLE`
   */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject).listen({ host, port }, resolve);
      });
    } catch (cause) {
      const code = systemCode(cause) ?? 'unknown';
      const why = code === 'EADDRINUSE' ? 'another program listens there' : code;
      const advice = 'Choose another with --health-port (HEALTH_PORT) or --health-host (HEALTH_HOST).';
      throw new RunnerError('PORT_UNAVAILABLE', `Can't listen on ${host} port ${port}: ${why}. ${advice}`, { cause });
    }
    const { address, family, port: taken } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`;
  }

  /** Idempotent; cuts connections off. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve({ method = '', url = '', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body, type = 'application/json; charset=utf-8' } = await this.#answer(method, url, headers.host);
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      ...(status === 405 && { allow: 'GET, HEAD' }),
    });
    response.end(method === 'HEAD' ? undefined : body);
  }

  async #answer(method: string, url: string, host: string | undefined): Promise<Answer> {
    // Where only this machine reaches it, a page of the internet must not either.
    if (isLoopback(this.#options.host) && !isSafeHost(host, this.#options.host))
      return refuse(421, 'Only addresses and names without a dot are answered here.');
    if (method !== 'GET' && method !== 'HEAD') return refuse(405, `${method} is not possible here; GET, HEAD is.`);
    const [path = ''] = url.split('?', 1);
    if (path === '/healthz') return this.#health();
    if (path === '/readyz') return this.#readiness();
    if (path === '/metrics') return this.#metrics();
    return refuse(404, 'There is nothing here; /healthz, /readyz and /metrics are.');
  }

  #health(): Answer {
    const stalledMs = this.#movement.stalledMs();
    if (stalledMs > this.#options.stuckAfterMs)
      return refuse(503, `Nothing has come of the work in hand for ${Math.round(stalledMs / 1000)} s.`);
    return { status: 200, body: '{"status":"ok"}' };
  }

  #readiness(): Answer {
    const { state, queues } = this.#runner.stats();
    if (state === 'idle' || state === 'starting') return refuse(503, 'The models are being loaded.');
    if (state !== 'running') return refuse(503, 'The runner is stopping.');
    const down = queues.filter(({ isDown }) => isDown).map(({ queue }) => queue);
    if (down.length > 0) return refuse(503, `A queue is out of reach: ${down.join(', ')}.`);
    return { status: 200, body: '{"status":"ready"}' };
  }

  /** Those who ask at the same time get the same answer. */
  #metrics(): Promise<Answer> {
    this.#scrape ??= this.#collect().finally(() => (this.#scrape = undefined));
    return this.#scrape;
  }

  async #collect(): Promise<Answer> {
    const { metrics } = this.#options;
    if (metrics === undefined) return refuse(501, 'There are no metrics: install the package prom-client.');
    try {
      return { status: 200, body: await metrics.text(), type: metrics.contentType };
    } catch {
      return refuse(500, 'The metrics could not be collected.');
    }
  }
}

function refuse(status: number, detail: string): Answer {
  return { status, body: JSON.stringify({ detail }) };
}
