export const WARM_UP_BATCHES: number;
export const LEFT_OVER_BATCHES: number;

export function measureLoop<T>(options: {
  readonly batch: number;
  readonly warmUp: number;
  readonly count: number;
  readonly decode: (first: number) => Promise<T>;
  readonly run: (photos: T) => Promise<unknown>;
}): Promise<number>;
