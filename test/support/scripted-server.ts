import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';

/** A request as the server got it. `body` is parsed JSON where it is that, else text. */
export interface ServerRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
  /** When it was complete, by `performance.now()`. */
  readonly atMs: number;
  /** 1 for the first connection that was made. */
  readonly connection: number;
  /** Address of the client. */
  readonly from: string;
}

/** What the server does with one request, once it has the whole of it (`drop: 'early'` excepted). */
export type Reply =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string | readonly string[]>>;
      readonly body?: string | Uint8Array;
      /** Interim answers that go before it, e.g. 103. */
      readonly interim?: readonly number[];
      /** Waits for this before answering. */
      readonly after?: Promise<unknown>;
    }
  /** Bytes as they are, then the end given: a FIN, an RST, or nothing more at all. */
  | { readonly raw: string | Uint8Array; readonly then: 'end' | 'reset' | 'hang' }
  /** One byte at a time, for ever once the text is at its end. */
  | { readonly dribble: string; readonly everyMs: number }
  /** An RST before the body was read, or once it was; `end` is a FIN in place of an answer. */
  | { readonly drop: 'early' | 'late' | 'end' }
  /** Never answers. */
  | { readonly hang: true };

/** One reply for every request; a list of which the last stays; or a decision. */
export type Script = Reply | readonly Reply[] | ((request: ServerRequest, index: number) => Reply);

export interface ServerSettings {
  readonly script?: Script;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** @default a free one */
  readonly port?: number;
  /** Serves https. */
  readonly tls?: TlsOptions;
}

export async function startScriptedServer(settings: ServerSettings = {}): Promise<ScriptedServer> {
  const server = new ScriptedServer(settings);
  await server.listen();
  return server;
}

/** A real HTTP server that behaves as badly as it is told to. */
export class ScriptedServer {
  readonly requests: ServerRequest[] = [];
  script: Script;
  readonly #settings: ServerSettings;
  readonly #server: Server;
  readonly #sockets = new Map<Socket, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #changed = new EventEmitter();
  #connections = 0;
  #started = 0;

  constructor(settings: ServerSettings) {
    this.#settings = settings;
    this.script = settings.script ?? { status: 200, headers: { 'content-type': 'application/json' }, body: '{}' };
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#handle(request, response).catch(() => request.socket.destroy());
    };
    this.#server = settings.tls === undefined ? createServer(listener) : createTlsServer(settings.tls, listener);
    this.#server.on(settings.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
      this.#welcome(socket),
    );
  }

  /** Connections made so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections that are open. */
  get openConnections(): number {
    return this.#sockets.size;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Without a slash at its end. */
  get url(): string {
    return this.urlFor(this.#settings.host ?? '127.0.0.1');
  }

  urlFor(host: string): string {
    const name = host.includes(':') ? `[${host}]` : host;
    return `${this.#settings.tls === undefined ? 'http' : 'https'}://${name}:${this.port}`;
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#settings.port ?? 0, this.#settings.host ?? '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** Resolves once the condition holds; looked at after every request and connection. */
  async until(condition: (server: this) => boolean, timeoutMs = 60_000): Promise<void> {
    const deadline = AbortSignal.timeout(timeoutMs);
    while (!condition(this)) await once(this.#changed, 'change', { signal: deadline });
  }

  /** Closes every connection that is open with a FIN. */
  closeConnections(): void {
    for (const socket of this.#sockets.keys()) socket.end();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets.keys()) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #welcome(socket: Socket): void {
    this.#connections += 1;
    this.#sockets.set(socket, this.#connections);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#changed.emit('change');
    });
    this.#changed.emit('change');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const index = this.#started++;
    const { socket } = request;
    if (typeof this.script !== 'function') {
      const early = replyOf(this.script, index);
      if ('drop' in early && early.drop === 'early') {
        // Told as a request of which only the head was seen.
        this.#record(request, undefined);
        socket.resetAndDestroy();
        return;
      }
    }
    const recorded = this.#record(request, await readBody(request));
    const reply = typeof this.script === 'function' ? this.script(recorded, index) : replyOf(this.script, index);
    if ('status' in reply) await this.#answer(reply, response);
    else this.#misbehave(reply, socket);
  }

  #record(request: IncomingMessage, body: unknown): ServerRequest {
    const { method = '', url: path = '', headers, socket } = request;
    const recorded = {
      method,
      path,
      headers,
      body,
      atMs: performance.now(),
      connection: this.#sockets.get(socket) ?? 0,
      from: socket.remoteAddress ?? '',
    };
    this.requests.push(recorded);
    this.#changed.emit('change');
    return recorded;
  }

  async #answer(reply: Extract<Reply, { status: number }>, response: ServerResponse): Promise<void> {
    await reply.after;
    for (const status of reply.interim ?? []) {
      if (status === 103) response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
      else response.writeProcessing();
    }
    response.writeHead(reply.status, { ...reply.headers } as Record<string, string | string[]>);
    response.end(reply.body);
  }

  #misbehave(reply: Exclude<Reply, { status: number }>, socket: Socket): void {
    if ('hang' in reply) return;
    if ('drop' in reply) {
      if (reply.drop === 'end') socket.end();
      else socket.resetAndDestroy();
      return;
    }
    if ('dribble' in reply) {
      this.#dribble(reply.dribble, reply.everyMs, socket);
      return;
    }
    socket.write(reply.raw, () => {
      if (reply.then === 'end') socket.end();
      // Once more round the loop, so that the bytes leave before the reset throws them away.
      else if (reply.then === 'reset') setTimeout(() => socket.resetAndDestroy(), 250);
    });
  }

  #dribble(text: string, everyMs: number, socket: Socket): void {
    let at = 0;
    const timer = setInterval(() => socket.write(text[at++] ?? 'x'), everyMs);
    this.#timers.add(timer);
    socket.once('close', () => {
      clearInterval(timer);
      this.#timers.delete(timer);
    });
  }
}

function replyOf(script: Reply | readonly Reply[], index: number): Reply {
  if (!isList(script)) return script;
  const reply = script[Math.min(index, script.length - 1)];
  if (reply === undefined) throw new Error('A script needs at least one reply.');
  return reply;
}

function isList(script: Reply | readonly Reply[]): script is readonly Reply[] {
  return Array.isArray(script);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
