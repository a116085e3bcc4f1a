import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WebSocket } from 'undici';
import { findChromium } from '../../scripts/chromium.mjs';

export interface PageSettings {
  /** In CSS pixels. @default 1280 */
  readonly width?: number;
  /** @default 'light' */
  readonly scheme?: 'light' | 'dark';
}

/** A message of the DevTools protocol. */
interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** A headless Chromium of one's own, spoken to by the DevTools protocol. */
export class Browser {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #listeners = new Set<(message: Message) => void>();
  #calls = 0;

  private constructor(child: ChildProcess, folder: string, socket: WebSocket) {
    this.#child = child;
    this.#folder = folder;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as Message;
      if (message.id === undefined) for (const listener of this.#listeners) listener(message);
      else this.#waiting.get(message.id)?.(message);
    });
  }

  /** @throws where there is no Chromium: `npm test` installs it as root */
  static async start(): Promise<Browser> {
    const command = findChromium();
    if (command === undefined)
      throw new Error('These tests need Chromium: install it, or name its command in CHROMIUM.');
    const folder = await mkdtemp(path.join(tmpdir(), 'browser-'));
    const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
    const child = spawn(command, [...flags, '--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const socket = new WebSocket(await debuggerAddress(child));
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    });
    return new Browser(child, folder, socket);
  }

  /** Opens an address in a tab of its own and waits until it is loaded. */
  async open(url: string, { width = 1280, scheme = 'light' }: PageSettings = {}): Promise<BrowserPage> {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const complaints: string[] = [];
    let loaded: () => void = () => undefined;
    const isLoaded = new Promise<void>((resolve) => (loaded = resolve));
    this.#listeners.add((message) => {
      if (message.sessionId !== sessionId) return;
      if (message.method === 'Page.loadEventFired') loaded();
      complaints.push(...complaintsOf(message));
    });
    const send: BrowserPage['send'] = (method, params) => this.send(method, params, String(sessionId));
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await send(`${domain}.enable`);
    await send('Emulation.setDeviceMetricsOverride', { width, height: 800, deviceScaleFactor: 1, mobile: width < 600 });
    await send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    await send('Page.navigate', { url });
    await isLoaded;
    const evaluate = async (expression: string): Promise<unknown> => {
      const answer = await send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
      if (answer['exceptionDetails'] !== undefined) throw new Error(JSON.stringify(answer['exceptionDetails']));
      return (answer['result'] as { readonly value?: unknown }).value;
    };
    return { complaints, evaluate, send };
  }

  async send(method: string, params: object = {}, sessionId?: string): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#calls;
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    const { result, error } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  async close(): Promise<void> {
    const gone = once(this.#child, 'exit');
    await this.send('Browser.close').catch(() => this.#child.kill('SIGKILL'));
    await gone;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export interface BrowserPage {
  /** Errors and warnings of the console, exceptions, and requests that left the page. */
  readonly complaints: readonly string[];
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  send(method: string, params?: object): Promise<Readonly<Record<string, unknown>>>;
}

function complaintsOf({ method, params = {} }: Message): readonly string[] {
  const text = JSON.stringify(params);
  if (method === 'Runtime.exceptionThrown') return [text];
  if (method === 'Runtime.consoleAPICalled' && /"type":"(error|warning)"/.test(text)) return [text];
  if (method === 'Log.entryAdded' && /"level":"(error|warning)"/.test(text)) return [text];
  if (method !== 'Network.requestWillBeSent') return [];
  const { url } = params['request'] as { readonly url: string };
  return /^(data|file|about):/.test(url) ? [] : [`request to ${url}`];
}

async function debuggerAddress(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of child.stderr as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const [, address] = /DevTools listening on (ws:\/\/\S+)/.exec(text) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error(`Chromium did not start:\n${text}`);
}
