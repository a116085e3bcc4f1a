import { Worker } from 'node:worker_threads';
import { RunnerError } from '../errors.js';
import type { Session, TensorData } from '../tensor.js';
import { entryUrl } from './entry-url.js';
import type { OpenedSession, SessionAnswer, SessionRequest, SessionSettings } from './protocol.js';

type Asked = SessionRequest extends infer Request ? (Request extends unknown ? Omit<Request, 'id'> : never) : never;

interface Waiting {
  readonly resolve: (answer: SessionAnswer) => void;
  readonly reject: (error: RunnerError) => void;
}

/**
 * A thread of its own for the sessions of one worker thread. `run` of onnxruntime-node blocks its thread for as long as the
 * device works. In the thread that prepares the photos no further photo would be begun meanwhile, and the device would then
 * wait for them; on the processor that costs nothing, because both want the same cores.
 *
 * Tensors are copied on their way; the sessions' order is that of the calls.
 */
export class SessionThread {
  readonly #worker = new Worker(entryUrl('session-worker'));
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;

  constructor() {
    // It ends with the thread that it works for, and doesn't keep it.
    this.#worker.unref();
    this.#worker.on('message', (answer: SessionAnswer) => this.#hear(answer));
    // Native code may have left anything behind. In a worker thread this ends the thread alone, and the pool knows what to do.
    this.#worker.once('error', () => process.exit(1));
    this.#worker.once('exit', () => process.exit(1));
  }

  /** @throws RunnerError as `openOnnxSession()` */
  async open(file: string, settings: SessionSettings): Promise<Session> {
    const answer = await this.#ask({ type: 'open', file, settings });
    if (answer.type !== 'opened') throw unexpected(answer);
    return this.#sessionOf(answer.session);
  }

  #sessionOf({ number: session, ...facts }: OpenedSession): Session {
    return {
      ...facts,
      run: async (feeds) => {
        const answer = await this.#ask({ type: 'run', session, feeds: mapTensors(feeds) });
        if (answer.type !== 'ran') throw unexpected(answer);
        return answer.outputs;
      },
      close: async () => {
        await this.#ask({ type: 'close', session });
      },
    };
  }

  #ask(asked: Asked): Promise<SessionAnswer> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...asked, id });
    });
  }

  #hear(answer: SessionAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.type === 'failed') waiting?.reject(RunnerError.fromEnvelope(answer.error));
    else waiting?.resolve(answer);
  }
}

/** A view is cloned with the whole of its buffer: those that show a part get one of their own first. */
function mapTensors(feeds: Readonly<Record<string, TensorData>>): Record<string, TensorData> {
  const own = (tensor: TensorData): TensorData =>
    tensor.data.byteLength === tensor.data.buffer.byteLength ? tensor : { ...tensor, data: tensor.data.slice() };
  return Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, own(tensor)]));
}

function unexpected({ type }: SessionAnswer): RunnerError {
  return new RunnerError('INTERNAL', `A thread with sessions gave the answer "${type}" to another question.`);
}
