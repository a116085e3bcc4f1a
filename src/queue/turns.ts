/**
 * Work that may go on together with its like, and work that must be alone, like the two sides of a readers-writer lock. In
 * the order asked: what comes after a piece that must be alone waits for it. A failure is its own piece's only.
 */
export class Turns {
  #barrier: Promise<unknown> = Promise.resolve();
  /** What was asked since the barrier, and has not ended. */
  readonly #together = new Set<Promise<unknown>>();

  /** Begins once everything before it that must be alone has ended. */
  together<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#barrier.then(work);
    const ended = result
      .catch(() => undefined)
      .finally(() => {
        this.#together.delete(ended);
      });
    this.#together.add(ended);
    return result;
  }

  /** Begins once everything before it has ended. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const result = Promise.all([this.#barrier, ...this.#together]).then(work);
    this.#barrier = result.catch(() => undefined);
    return result;
  }
}
