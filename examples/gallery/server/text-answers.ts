/** Lets requests wait until the embedding of a text has come. */
export class TextAnswers {
  readonly #waiting = new Map<number, Set<() => void>>();

  /** The embedding of this query is there. */
  announce(queryId: number): void {
    for (const wake of this.#waiting.get(queryId) ?? []) wake();
  }

  /** Resolves when the embedding has come, when time is up, or when the client has gone. */
  async wait(queryId: number, waitMs: number, gone: AbortSignal): Promise<void> {
    const waiting = this.#waiting.get(queryId) ?? new Set();
    this.#waiting.set(queryId, waiting);
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', wake);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(queryId);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      gone.addEventListener('abort', wake);
      waiting.add(wake);
    });
  }

  /** Wakes everybody: the server stops. */
  close(): void {
    for (const queryId of [...this.#waiting.keys()]) this.announce(queryId);
  }
}
