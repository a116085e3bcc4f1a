import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { EventHub } from '../../../src/events.js';
import { HealthServer, type HealthOptions } from '../../../src/observe/health-server.js';
import { StatsCounter, type LaneStats, type RunnerStats } from '../../../src/stats.js';

/** What no real runner shows on demand: work that stands still. */
class HandRunner {
  readonly events = new EventHub();
  readonly #counter = new StatsCounter(this.events);
  state: RunnerStats['state'] = 'running';
  inFlight = 0;
  lanes: readonly LaneStats[] = [];

  readonly on = this.events.on.bind(this.events);
  stats(): RunnerStats {
    const queues = [{ queue: 'photo_tasks', inFlight: this.inFlight, oldestMs: undefined }];
    return this.#counter.snapshot(this.state, { queues, lanes: this.lanes, held: 0 });
  }
}

const down = new RunnerError('QUEUE_UNAVAILABLE', 'away');
let server: HealthServer;
let runner: HandRunner;
let nowMs = 0;
afterEach(() => server.close());

async function open(options: Partial<HealthOptions> = {}): Promise<string> {
  runner = new HandRunner();
  const address = { host: '127.0.0.1', port: 0 };
  server = new HealthServer(runner, { ...address, stuckAfterMs: 1000, metrics: undefined, ...options }, () => nowMs);
  return server.listen();
}

/** `fetch` sends no host of one's own. */
function ask(
  url: string,
  method = 'GET',
  headers: Record<string, string> = {},
): Promise<[status: number, body: string]> {
  return new Promise((resolve, reject) => {
    request(url, { method, headers }, (response) => {
      let body = '';
      response.on('data', (data: Buffer) => (body += data.toString()));
      response.on('end', () => resolve([response.statusCode ?? 0, body]));
    })
      .on('error', reject)
      .end();
  });
}
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('/healthz', () => {
  it('calls a runner ill whose work in hand stands still, until something comes of it', async () => {
    const url = `${await open()}/healthz`;
    runner.inFlight = 1;
    runner.events.emit('batch:started', { lane: 'image', items: 1 });
    expect(await ask(url)).toEqual([200, '{"status":"ok"}']);
    nowMs += 1001;
    expect((await ask(url))[0]).toBe(503);
    runner.events.emit('stage:measured', { stage: 'decode', ms: 1, count: 1, unit: undefined });
    expect((await ask(url))[0]).toBe(200);
  });

  it.each<[string, () => void]>([
    ['has nothing in hand', () => (runner.inFlight = 0)],
    ['waits for the server', () => runner.events.emit('sink:down', { error: down })],
    ['waits for Redis', () => runner.events.emit('queue:down', { queue: 'photo_tasks', error: down })],
    ['keeps to a pause of the server', () => runner.events.emit('sink:paused', { pauseMs: 60_000, error: down })],
  ])('does not take for ill one that %s', async (_, happens) => {
    const url = `${await open()}/healthz`;
    runner.inFlight = 1;
    happens();
    nowMs += 1001;
    expect((await ask(url))[0]).toBe(200);
  });
});

describe('/readyz', () => {
  it.each<[RunnerStats['state'], number]>([
    ['idle', 503],
    ['starting', 503],
    ['running', 200],
    ['stopping', 503],
    ['stopped', 503],
  ])('%s: %i', async (state, status) => {
    const url = `${await open()}/readyz`;
    runner.state = state;
    expect((await ask(url))[0]).toBe(status);
  });

  it('says which queue is out of reach, and when it no longer is', async () => {
    const url = `${await open()}/readyz`;
    runner.events.emit('queue:down', { queue: 'photo_tasks', error: down });
    expect(await ask(url)).toEqual([503, '{"detail":"A queue is out of reach: photo_tasks."}']);
    runner.events.emit('queue:up', { queue: 'photo_tasks' });
    expect((await ask(url))[0]).toBe(200);
  });
});

describe('the port', () => {
  it('takes GET and HEAD of three paths, and says so', async () => {
    const url = await open();
    expect(await ask(`${url}/healthz?x=1`, 'HEAD')).toEqual([200, '']);
    expect((await ask(`${url}/healthz`, 'POST'))[0]).toBe(405);
    expect((await ask(`${url}/`))[0]).toBe(404);
    expect(await ask(`${url}/metrics`)).toEqual([
      501,
      '{"detail":"There are no metrics: install the package prom-client."}',
    ]);
  });

  it('security 2: on this machine only, it answers to no name of the internet', async () => {
    const url = await open();
    expect((await ask(`${url}/metrics`, 'GET', { host: 'rebound.example' }))[0]).toBe(421);
    expect((await ask(`${url}/healthz`, 'GET', { host: 'localhost:1' }))[0]).toBe(200);
    await server.close();
    const everywhere = new URL(await open({ host: '0.0.0.0' }));
    expect((await ask(`http://127.0.0.1:${everywhere.port}/healthz`, 'GET', { host: 'runner.example' }))[0]).toBe(200);
  });

  it('asks for the metrics once for all who ask at the same time', async () => {
    let asked = 0;
    const text = async (): Promise<string> => {
      asked += 1;
      // Long enough for the others to ask meanwhile.
      await sleep(1000);
      return 'x 1\n';
    };
    const url = await open({ metrics: { contentType: 'text/plain', text } });
    expect(await Promise.all([1, 2, 3].map(() => ask(`${url}/metrics`)))).toEqual(Array(3).fill([200, 'x 1\n']));
    expect(asked).toBe(1);
  });
});
