/** Runs pieces of work one after the other, in the order asked. A failure is its own piece's only. */
export class Serial {
  #tail: Promise<unknown> = Promise.resolve();
  #unfinished = 0;

  /** Whether a piece is under way or waits. */
  get isBusy(): boolean {
    return this.#unfinished > 0;
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    this.#unfinished += 1;
    const result = this.#tail.then(work).finally(() => {
      this.#unfinished -= 1;
    });
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything asked so far has ended. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}
