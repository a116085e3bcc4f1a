import { Worker } from 'node:worker_threads';

/**
 * A thread that sleeps until something is due and says so: timers of Node.js are as coarse as a millisecond. Dues are wall
 * clock times, since each thread has its own origin of `performance.now()`.
 */
const ALARM = `
const { parentPort, receiveMessageOnPort, workerData } = require('node:worker_threads');
const now = () => performance.timeOrigin + performance.now();
const due = [];
for (;;) {
  const before = Atomics.load(workerData, 0);
  for (let got = receiveMessageOnPort(parentPort); got; got = receiveMessageOnPort(parentPort)) due.push(got.message);
  due.sort((a, b) => a.at - b.at);
  while (due.length > 0 && due[0].at <= now()) parentPort.postMessage(due.shift().id);
  Atomics.wait(workerData, 0, before, due.length > 0 ? Math.max(0, due[0].at - now()) : Infinity);
}`;

/**
 * Decoders side by side, as those of libuv's threads: what they were given they go on with while the thread that gave it
 * is blocked, and they begin with the next in their own time.
 */
export class Decoders {
  readonly #decodeMs: number;
  /** When each of them has done all that it was given. */
  readonly #freeAt: number[];
  readonly #signal = new Int32Array(new SharedArrayBuffer(4));
  readonly #alarm: Worker;
  readonly #waiting = new Map<number, () => void>();
  #count = 0;

  constructor(parallel: number, decodeMs: number) {
    this.#decodeMs = decodeMs;
    this.#freeAt = Array.from({ length: parallel }, () => 0);
    this.#alarm = new Worker(ALARM, { eval: true, workerData: this.#signal });
    this.#alarm.unref();
    this.#alarm.on('message', (id: number) => {
      this.#waiting.get(id)?.();
      this.#waiting.delete(id);
    });
  }

  /** Resolves when one more photo is decoded. */
  decode(): Promise<void> {
    const first = this.#freeAt.indexOf(Math.min(...this.#freeAt));
    const at = Math.max(performance.timeOrigin + performance.now(), this.#freeAt[first] ?? 0) + this.#decodeMs;
    this.#freeAt[first] = at;
    const id = this.#count++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#alarm.postMessage({ id, at });
      Atomics.add(this.#signal, 0, 1);
      Atomics.notify(this.#signal, 0);
    });
  }
}
