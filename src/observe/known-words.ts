/** In place of a label's value that is none of those known. */
const OTHER = 'other';

/** Keeps the values of a label to a bounded set, whatever errors and tasks of users' own say. */
export class KnownWords {
  readonly #words = new Set<string>();
  readonly #limit: number;

  /** `limit`: how many words are learned by themselves. */
  constructor(limit = 0) {
    this.#limit = limit;
  }

  add(word: string): void {
    this.#words.add(word);
  }

  /** The word itself, or `other`. */
  label(word: string): string {
    if (this.#words.has(word)) return word;
    if (this.#words.size >= this.#limit) return OTHER;
    this.#words.add(word);
    return word;
  }
}
