/** What one measurement of a point came to. */
export interface Reading {
  readonly perSecond: number;
  readonly memoryBytes: number;
}

export interface Slope<Point> {
  readonly start: Point;
  /** The points one step away, those first that are more likely to be better. */
  readonly neighbours: (point: Point) => readonly Point[];
  /** Equal for equal points. */
  readonly keyOf: (point: Point) => string;
  /** A point whose measurement rejects is no choice; the first one of all, or one after the signal, ends the climb. */
  readonly measure: (point: Point) => Promise<Reading>;
}

export interface ClimbLimits {
  /** A point that takes more is no choice, however fast. */
  readonly memoryBytes: number;
  /** Measurements at most. */
  readonly measurements: number;
  /** What must be gained, as a share, to be more than noise. @default 0.02 */
  readonly margin?: number;
  /** Ends the climb with what the measurement throws that is then under way. */
  readonly signal?: AbortSignal;
}

/** A measurement that rejected, and with what. */
interface Failure<Point> {
  readonly point: Point;
  readonly thrown: unknown;
}

/** A step that was taken. */
interface Step<Point> {
  readonly from: Point;
  readonly to: Point;
  readonly before: Reading;
  readonly after: Reading;
}

export interface Climb<Point> {
  readonly start: Reading;
  readonly best: Point;
  readonly reading: Reading;
  readonly steps: readonly Step<Point>[];
  readonly failures: readonly Failure<Point>[];
  readonly measurements: number;
}

/** Measurements of each of two points before one is believed to be the better. */
const CONFIRMATIONS = 3;
/** Of two that are as fast, the one that takes at least so much less memory. */
const LESS_MEMORY = 0.9;

/**
 * Climbs from a point to its best neighbour's side, and on from there, until no neighbour is better. One measurement says
 * little: what looks better is measured again, in turn with where one stands, and the medians decide. Of points that are as
 * fast the one with less memory is better.
 * Throws what the first measurement throws, and what one throws after the signal.
 */
export async function climb<Point>(slope: Slope<Point>, limits: ClimbLimits): Promise<Climb<Point>> {
  const { keyOf, neighbours } = slope;
  const readings = new Readings(slope, limits);
  await readings.measure(slope.start);
  const start = readings.of(slope.start);
  const steps: Step<Point>[] = [];
  const seen = new Set([keyOf(slope.start)]);
  let current = slope.start;
  for (let next: Point | undefined = current; next !== undefined;) {
    next = undefined;
    for (const neighbour of neighbours(current)) {
      if (seen.has(keyOf(neighbour)) || readings.isSpent) continue;
      seen.add(keyOf(neighbour));
      if (!(await isBetter(neighbour, current, readings, limits))) continue;
      steps.push({ from: current, to: neighbour, before: readings.of(current), after: readings.of(neighbour) });
      current = neighbour;
      next = neighbour;
      break;
    }
  }
  const { count, failures } = readings;
  return {
    ...{ start: steps[0]?.before ?? start, best: current, reading: readings.of(current), steps },
    ...{ failures, measurements: count },
  };
}

async function isBetter<Point>(
  candidate: Point,
  current: Point,
  readings: Readings<Point>,
  { memoryBytes, margin = 0.02 }: ClimbLimits,
): Promise<boolean> {
  const wins = (): boolean => {
    if (readings.hasFailed(candidate)) return false;
    const [one, other] = [readings.of(candidate), readings.of(current)];
    if (one.memoryBytes > memoryBytes) return false;
    if (other.memoryBytes > memoryBytes || readings.hasFailed(current)) return true;
    if (one.perSecond > other.perSecond * (1 + margin)) return true;
    // As fast as the fastest so far, so that small losses don't add up.
    const isAsFast = one.perSecond >= readings.fastest * (1 - margin);
    return isAsFast && one.memoryBytes < other.memoryBytes * LESS_MEMORY;
  };
  await readings.measure(candidate);
  while (wins() && readings.countOf(candidate) < CONFIRMATIONS && !readings.isSpent) {
    if (readings.countOf(current) <= readings.countOf(candidate)) await readings.measure(current);
    await readings.measure(candidate);
  }
  return wins() && readings.countOf(candidate) >= CONFIRMATIONS;
}

/** All that was measured. */
class Readings<Point> {
  readonly #slope: Slope<Point>;
  readonly #limits: ClimbLimits;
  readonly #byKey = new Map<string, Reading[]>();
  readonly failures: Failure<Point>[] = [];
  count = 0;

  constructor(slope: Slope<Point>, limits: ClimbLimits) {
    this.#slope = slope;
    this.#limits = limits;
  }

  get isSpent(): boolean {
    return this.count >= this.#limits.measurements;
  }

  /** The highest median of a point that is believed. */
  get fastest(): number {
    const failed = new Set(this.failures.map(({ point }) => this.#slope.keyOf(point)));
    const believed = [...this.#byKey]
      .filter(([key, list]) => list.length >= CONFIRMATIONS && !failed.has(key))
      .map(([, list]) => list);
    return Math.max(0, ...believed.map((list) => summary(list).perSecond));
  }

  countOf(point: Point): number {
    return this.#byKey.get(this.#slope.keyOf(point))?.length ?? 0;
  }

  hasFailed(point: Point): boolean {
    const key = this.#slope.keyOf(point);
    return this.failures.some((failure) => this.#slope.keyOf(failure.point) === key);
  }

  async measure(point: Point): Promise<void> {
    this.count += 1;
    const key = this.#slope.keyOf(point);
    const list = this.#byKey.get(key) ?? [];
    this.#byKey.set(key, list);
    try {
      list.push(await this.#slope.measure(point));
    } catch (thrown) {
      // Where the start can't be measured there is nothing to compare with.
      if (this.count === 1 || this.#limits.signal?.aborted === true) throw thrown;
      this.failures.push({ point, thrown });
    }
  }

  of(point: Point): Reading {
    return summary(this.#byKey.get(this.#slope.keyOf(point)) ?? []);
  }
}

function summary(readings: readonly Reading[]): Reading {
  return {
    perSecond: median(readings.map(({ perSecond }) => perSecond)),
    memoryBytes: Math.max(0, ...readings.map(({ memoryBytes }) => memoryBytes)),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1);
  return (low + high) / 2;
}
