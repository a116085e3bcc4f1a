import type { LogStream } from './log.js';

/** stderr with one line at its end that is drawn again and again (progress), below the log lines. */
export class Terminal implements LogStream {
  readonly isTerminal: boolean;
  readonly #stream: NodeJS.WriteStream;
  #line = '';

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY;
  }

  write(text: string): void {
    if (this.#line === '') this.#stream.write(text);
    else this.#stream.write(`\r\u001b[K${text}${this.#line}`);
  }

  /** Draws the progress line; an empty one removes it. Does nothing where stderr is not a terminal. */
  progress(line: string): void {
    if (!this.isTerminal || line === this.#line) return;
    const columns = this.#stream.columns || 80;
    this.#line = line.slice(0, columns - 1);
    this.#stream.write(`\r\u001b[K${this.#line}`);
  }
}
