import { seededRandom } from '../../bench/support/random.js';

/** Decisions on one stream of random numbers. */
export class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  between(low: number, high: number): number {
    return low + this.#random() * (high - low);
  }

  pick<T>(options: readonly T[]): T {
    return options[Math.floor(this.#random() * options.length)]!;
  }
}
