import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Right before the server has a command, or right after it has carried it out and before the answer arrives. */
export type Moment = 'before' | 'after';

/**
 * A way to Redis that knows where each command ends, so that a consumer can be cut off between any two of them: at once,
 * on all its connections. What the server had by then it carries out; nothing that it answers arrives any more.
 */
export interface CommandProxy {
  readonly url: string;
  /** Names of the commands that have come since `forget()`, in their order. */
  readonly seen: readonly string[];
  forget(): void;
  /** Cuts at the command of this place in `seen`, counted from 0. */
  cutAt(place: number, moment: Moment): void;
  readonly isCut: boolean;
  /** Cuts now; resolves once the server has noticed on every connection. */
  cut(): Promise<void>;
  /** Resolves once a cut has been made and the server has noticed. */
  whenCut(): Promise<void>;
  /** New connections are let through again. */
  mend(): void;
  /** From now on the server hears us, but its answers vanish; ends with a cut. */
  swallowReplies(): void;
  /** Answers that have vanished. */
  readonly swallowed: number;
  stop(): Promise<void>;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

const BLOCKING = new Set(['BLMOVE']);

export async function startCommandProxy(targetPort: number): Promise<CommandProxy> {
  const pairs = new Set<Pair>();
  const seen: string[] = [];
  let plan: { readonly place: number; readonly moment: Moment } | undefined;
  let isCut = false;
  let isSwallowing = false;
  let swallowed = 0;
  let onCut: (() => void)[] = [];
  let cutting: Promise<void> = Promise.resolve();

  const cut = (): Promise<void> => {
    if (isCut) return cutting;
    isCut = true;
    plan = undefined;
    cutting = Promise.all([...pairs].map(breakOff)).then(() => {
      for (const tell of onCut.splice(0)) tell();
    });
    return cutting;
  };

  const pass = (pair: Pair, { name, bytes }: Command): void => {
    if (isCut) return;
    const place = seen.push(name) - 1;
    const isHere = plan?.place === place;
    if (isHere && plan?.moment === 'before') {
      void cut();
      return;
    }
    pair.far.write(bytes);
    if (!isHere) return;
    isSwallowing = true;
    // A command that waits is carried out when its answer comes.
    if (BLOCKING.has(name)) pair.far.once('data', () => void cut());
    else void cut();
  };

  const server = createServer((near) => {
    if (isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: targetPort, host: '127.0.0.1' }).setNoDelay(true);
    const pair = { near: near.setNoDelay(true), far };
    pairs.add(pair);
    let rest: Buffer = Buffer.alloc(0);
    near.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (let command = readCommand(rest); command !== undefined; command = readCommand(rest)) {
        rest = rest.subarray(command.bytes.length);
        pass(pair, command);
      }
    });
    far.on('data', (bytes) => {
      if (isSwallowing || isCut) swallowed += 1;
      else if (near.writable) near.write(bytes);
    });
    near.on('error', () => undefined).on('close', () => isCut || far.destroy());
    far
      .on('error', () => undefined)
      .on('close', () => {
        pairs.delete(pair);
        near.destroy();
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };

  return {
    url: `redis://127.0.0.1:${port}/0`,
    seen,
    forget: () => void seen.splice(0),
    cutAt: (place, moment) => {
      plan = { place, moment };
    },
    get isCut() {
      return isCut;
    },
    cut,
    whenCut: () => (isCut ? cutting : new Promise((resolve) => onCut.push(resolve))),
    mend: () => {
      isCut = false;
      isSwallowing = false;
    },
    swallowReplies: () => {
      isSwallowing = true;
      swallowed = 0;
    },
    get swallowed() {
      return swallowed;
    },
    stop: async () => {
      await cut();
      onCut = [];
      server.close();
      await once(server, 'close');
    },
  };
}

/** The server reads to the end what it was sent, carries it out, and closes its side. */
async function breakOff({ near, far }: Pair): Promise<void> {
  near.resetAndDestroy();
  if (far.destroyed) return;
  const closed = once(far, 'close').catch(() => undefined);
  far.end();
  await closed;
}

interface Command {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The first command in the bytes (an array of bulk strings, as clients send them), or undefined where it isn't complete. */
function readCommand(bytes: Buffer): Command | undefined {
  let at = 0;
  let name = '';
  const readLine = (): string | undefined => {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const line = bytes.toString('latin1', at, end);
    at = end + 2;
    return line;
  };
  const head = readLine();
  if (head === undefined) return undefined;
  for (let left = Number(head.slice(1)); left > 0; left -= 1) {
    const length = readLine();
    if (length === undefined) return undefined;
    const end = at + Number(length.slice(1));
    if (bytes.length < end + 2) return undefined;
    if (name === '') name = bytes.toString('latin1', at, end).toUpperCase();
    at = end + 2;
  }
  return { name, bytes: bytes.subarray(0, at) };
}
