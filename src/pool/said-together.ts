/**
 * Collects what is said in one turn of the event loop and posts it as one message: each message between threads or processes
 * has a price of its own, and a batch of texts has hundreds of lines.
 */
export class SaidTogether<Line> {
  readonly #post: (lines: readonly Line[]) => void;
  readonly #insteadOf: (line: Line, thrown: unknown) => Line;
  #lines: Line[] = [];
  #isDue = false;

  /** `insteadOf`: what to say where a line holds a value that can't cross (a function, a socket). */
  constructor(post: (lines: readonly Line[]) => void, insteadOf: (line: Line, thrown: unknown) => Line) {
    this.#post = post;
    this.#insteadOf = insteadOf;
  }

  say(line: Line): void {
    this.#lines.push(line);
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.flush();
    });
  }

  /** Posts now what is there: to be called before work that blocks the thread, and before the end. */
  flush(): void {
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    try {
      this.#post(lines);
    } catch {
      // It fails alone.
      for (const line of lines) this.#postAlone(line);
    }
  }

  #postAlone(line: Line): void {
    try {
      this.#post([line]);
    } catch (thrown) {
      this.#post([this.#insteadOf(line, thrown)]);
    }
  }
}
