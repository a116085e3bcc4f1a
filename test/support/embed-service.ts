import { CommandProcess } from './command.js';
import { SIGLIP } from './fixtures.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** `clip-runner serve` as a process of its own, on a free port, with a tiny model under the label `tiny`. */
export class EmbedService {
  readonly command: CommandProcess;
  url = '';

  constructor(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []) {
    this.command = new CommandProcess(['serve', ...args], {
      EMBED_PORT: '0',
      CLIP_MODELS: `tiny=${SIGLIP}`,
      CLIP_DEVICE: 'cpu',
      PROCESSING_EMBEDDING_DIM: '64',
      LOG_LEVEL: 'debug',
      ...env,
    });
  }

  /** Resolves when it listens; its models may still be loading. */
  async listening(): Promise<this> {
    await this.command.logged('listening');
    this.url = String(this.command.log.find(({ msg }) => msg === 'listening')?.['url']);
    return this;
  }

  async ready(): Promise<this> {
    await this.listening();
    await this.command.logged('ready');
    return this;
  }

  get(path: string): Promise<Answer> {
    return this.send(path, {});
  }

  post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
    return this.send(path, { ...init, body: JSON.stringify(body) });
  }

  async send(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(this.url + path, init);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(text) : { text }) as Answer['body'],
    };
  }

  /** The values of the metrics whose line begins so, added up. */
  async metric(start: string): Promise<number> {
    const { body } = await this.get('/metrics');
    const lines = String(body['text'])
      .split('\n')
      .filter((line) => line.startsWith(start));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** Ends it by SIGTERM; answers the exit code. */
  stop(): Promise<number | string> {
    return this.command.kill('SIGTERM');
  }
}

/** A vector of an answer as 32-bit numbers. */
export function vectorOf({ body }: Answer): Float32Array {
  return Float32Array.from(body['embedding'] as number[]);
}
