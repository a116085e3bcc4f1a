import { Worker } from 'node:worker_threads';

/** Places in the integers that both threads share. */
const SIGNAL = { posted: 0, nextDue: 1 };
/** Nothing is due. */
const NEVER = 2 ** 31 - 1;

/**
 * A thread that sleeps until something is due and says so: timers of Node.js are as coarse as a millisecond. Times are
 * microseconds since an origin of the wall clock, as each thread has its own origin of `performance.now()`. It is woken only for
 * what is due before that which it sleeps until anyway: it stands for decoders, and a wake-up for each photo would cost more than
 * the queue does. What is posted is either seen by the second look at the port, or its sender sees `nextDue`.
 */
const ALARM = `
const { parentPort, receiveMessageOnPort, workerData: { signal, origin } } = require('node:worker_threads');
const now = () => (performance.timeOrigin + performance.now() - origin) * 1000;
const due = [];
const receive = () => {
  const before = due.length;
  for (let got = receiveMessageOnPort(parentPort); got; got = receiveMessageOnPort(parentPort)) due.push(got.message);
  if (due.length > before) due.sort((a, b) => a.at - b.at);
  return due.length > before;
};
for (;;) {
  const posted = Atomics.load(signal, ${SIGNAL.posted});
  receive();
  const over = [];
  while (due.length > 0 && due[0].at <= now()) over.push(due.shift().id);
  if (over.length > 0) parentPort.postMessage(over);
  Atomics.store(signal, ${SIGNAL.nextDue}, due.length > 0 ? Math.ceil(due[0].at) : ${NEVER});
  if (receive()) continue;
  Atomics.wait(signal, ${SIGNAL.posted}, posted, due.length > 0 ? Math.max(0, due[0].at - now()) / 1000 : Infinity);
}`;

/**
 * Decoders side by side, as those of libuv's threads: what they were given they go on with while the thread that gave it
 * is blocked, and they begin with the next in their own time.
 */
export class Decoders {
  readonly #decodeUs: number;
  /** When each of them has done all that it was given. */
  readonly #freeAt: number[];
  readonly #signal = new Int32Array(new SharedArrayBuffer(8)).fill(NEVER, SIGNAL.nextDue);
  readonly #origin = performance.timeOrigin + performance.now();
  readonly #alarm: Worker;
  readonly #waiting = new Map<number, () => void>();
  #count = 0;

  constructor(parallel: number, decodeMs: number) {
    this.#decodeUs = decodeMs * 1000;
    this.#freeAt = Array.from({ length: parallel }, () => 0);
    this.#alarm = new Worker(ALARM, { eval: true, workerData: { signal: this.#signal, origin: this.#origin } });
    this.#alarm.unref();
    this.#alarm.on('message', (over: readonly number[]) => {
      for (const id of over) {
        this.#waiting.get(id)?.();
        this.#waiting.delete(id);
      }
    });
  }

  /** Resolves when one more photo is decoded. */
  decode(): Promise<void> {
    const first = this.#freeAt.indexOf(Math.min(...this.#freeAt));
    const nowUs = (performance.timeOrigin + performance.now() - this.#origin) * 1000;
    const at = Math.max(nowUs, this.#freeAt[first] ?? 0) + this.#decodeUs;
    this.#freeAt[first] = at;
    const id = this.#count++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#alarm.postMessage({ id, at });
      if (at >= Atomics.load(this.#signal, SIGNAL.nextDue)) return;
      Atomics.add(this.#signal, SIGNAL.posted, 1);
      Atomics.notify(this.#signal, SIGNAL.posted);
    });
  }
}
