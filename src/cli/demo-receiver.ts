import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the demo's gallery keeps of one callback. */
export interface ReceivedEmbedding {
  readonly photoId: string;
  readonly model: string;
  readonly embedding: readonly number[];
  readonly receivedAt: number;
}

/**
 * The receiving end of the demo: a small HTTP server on this machine that takes image embeddings as a gallery server
 * does (`POST /api/internal/photos/{id}/ml_result`, 401 without the right token).
 */
export class DemoReceiver {
  readonly url: string;
  readonly received = new Map<string, ReceivedEmbedding>();
  readonly #server: Server;
  readonly #waiters = new Set<() => void>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(token: string): Promise<DemoReceiver> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const receiver = new DemoReceiver(server);
    server.on('request', (request, response) => {
      void receiver.#answer(request, token).then((status) => response.writeHead(status).end());
    });
    return receiver;
  }

  /** Resolves when the embeddings of so many photos have come. */
  async whenReceived(count: number, signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (this.received.size < count && !signal.aborted) {
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, token: string): Promise<number> {
    const photoId = /^\/api\/internal\/photos\/(\d+)\/ml_result$/.exec(request.url ?? '')?.[1];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.headers['x-internal-token'] !== token) return 401;
    if (request.method !== 'POST' || photoId === undefined) return 404;
    const { model, embedding } = JSON.parse(Buffer.concat(chunks).toString()) as {
      model?: string;
      embedding?: number[];
    };
    if (model === undefined || embedding === undefined) return 400;
    this.received.set(photoId, { photoId, model, embedding, receivedAt: performance.now() });
    this.#wake();
    return 200;
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}
