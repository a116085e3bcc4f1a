import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the demo's gallery keeps of a photo's embedding. */
export interface ReceivedEmbedding {
  readonly photoId: string;
  readonly model: string;
  readonly embedding: readonly number[];
  readonly receivedAt: number;
}

/** What it keeps of a photo's faces. */
export interface ReceivedFaces {
  readonly photoId: string;
  readonly embeddings: readonly (readonly number[])[];
}

/**
 * The receiving end of the demo: a small HTTP server on this machine that takes image embeddings and faces as a gallery
 * server does (`POST /api/internal/photos/{id}/ml_result` and `.../faces`, 401 without the right token).
 */
export class DemoReceiver {
  readonly url: string;
  /** By photo. */
  readonly received = new Map<string, ReceivedEmbedding>();
  /** By photo, those without a face among them. */
  readonly faces = new Map<string, ReceivedFaces>();
  readonly #server: Server;

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

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, token: string): Promise<number> {
    const [, photoId, kind] = /^\/api\/internal\/photos\/(\d+)\/(ml_result|faces)$/.exec(request.url ?? '') ?? [];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.headers['x-internal-token'] !== token) return 401;
    if (request.method !== 'POST' || photoId === undefined) return 404;
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    return (kind === 'faces' ? this.#keepFaces(photoId, body) : this.#keepEmbedding(photoId, body)) ? 200 : 400;
  }

  #keepEmbedding(photoId: string, body: unknown): boolean {
    const { model, embedding } = body as { model?: string; embedding?: number[] };
    if (model === undefined || embedding === undefined) return false;
    this.received.set(photoId, { photoId, model, embedding, receivedAt: performance.now() });
    return true;
  }

  #keepFaces(photoId: string, body: unknown): boolean {
    const { faces } = body as { faces?: { embedding: number[] }[] };
    if (faces === undefined) return false;
    this.faces.set(photoId, { photoId, embeddings: faces.map(({ embedding }) => embedding) });
    return true;
  }
}
