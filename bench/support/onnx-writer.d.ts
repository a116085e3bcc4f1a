interface TensorFacts {
  readonly dims: readonly (number | string)[];
  readonly type?: 'float32' | 'float16' | 'int32' | 'int64';
}

export class GraphWriter {
  constructor(seed: number, options?: { readonly isHalf?: boolean });
  readonly type: 'float32' | 'float16';
  node(
    type: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, number | readonly number[]>>,
  ): string;
  weight(dims: readonly number[], std?: number, mean?: number): string;
  integers(values: readonly number[]): string;
  floats(values: readonly number[]): string;
  scalar(value: number): string;
  finish(
    inputs: Readonly<Record<string, TensorFacts>>,
    outputs: Readonly<Record<string, TensorFacts & { readonly from: string }>>,
  ): Buffer;
}
