interface Ratio {
  readonly value: number;
  readonly rounds: readonly number[];
}

export function compare(values: readonly number[], base: readonly number[]): Ratio;
