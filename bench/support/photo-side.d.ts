interface Callback {
  readonly url: string;
  readonly [field: string]: unknown;
}

interface Measured {
  readonly rate: number;
  readonly firstMs: number;
  readonly pss: number;
  readonly rss: number;
  readonly callbacks: readonly Callback[];
}

export function measureSide(options: {
  readonly root: string;
  readonly redisUrl: string;
  /** `clip-runner photos` by default. */
  readonly command?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly photos: string;
  readonly tasks: readonly string[];
  readonly perPhoto?: number;
  readonly warmUp: number;
  readonly count: number;
  readonly leftOver: number;
}): Promise<Measured>;

export function vectorsOf(callbacks: readonly Callback[]): Record<string, readonly number[]>;
export function cosines(
  left: Readonly<Record<string, readonly number[]>>,
  right: Readonly<Record<string, readonly number[]>>,
): number[];
