import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Dice } from './random.js';
import type { Workload } from './workload.js';

const PATH = /^\/api\/internal\/photos\/(\d+)\/ml_result$/;

/** A receiver of callbacks that fails some requests in every way it knows, and counts those that it took. */
export class FlakySink {
  /** Callbacks taken, by the job's id. */
  readonly taken: Uint16Array;
  readonly failures = { 500: 0, 503: 0, reset: 0, slow: 0 };
  /** Callbacks for jobs that don't exist. */
  unknown = 0;
  failShare: number;
  readonly #workload: Workload;
  readonly #dice: Dice;
  readonly #server: Server;

  constructor(workload: Workload, dice: Dice, failShare: number) {
    this.#workload = workload;
    this.#dice = dice;
    this.failShare = failShare;
    this.taken = new Uint16Array(workload.jobs + 1);
    this.#server = createServer((request, response) => {
      request.on('error', () => undefined);
      this.#handle(request, response);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const id = Number(PATH.exec(request.url ?? '')?.[1]);
    if (this.#workload.isGone(id)) {
      answer(response, 404);
      return;
    }
    if (!this.#dice.chance(this.failShare)) {
      this.#take(id, response);
      return;
    }
    const failure = this.#dice.pick(['500', '503', 'reset', 'slow'] as const);
    this.failures[failure] += 1;
    if (failure === 'reset') request.socket.resetAndDestroy();
    else if (failure === 'slow') setTimeout(() => this.#take(id, response), this.#dice.between(100, 1500));
    else answer(response, Number(failure));
  }

  #take(id: number, response: ServerResponse): void {
    const count = this.taken[id];
    if (count === undefined) this.unknown += 1;
    else this.taken[id] = count + 1;
    answer(response, 200);
  }
}

function answer(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': '0' }).end();
}
