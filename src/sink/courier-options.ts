import { positiveInteger, resolveOptions, wholeNumber } from '../check.js';

export interface CourierOptions {
  /** Deliveries given to the sink at a time; best the sink's own `concurrency`. @default 8 */
  readonly concurrency: number;
  /** Failures in a row, none of them a job's fault, that open the breaker. @default 5 */
  readonly failureThreshold: number;
  /** Answers 401/403 in a row that are told as `auth:failed`; 0 never. @default 10 */
  readonly authFailLimit: number;
  /** Timeouts and outages of one delivery that put it under suspicion; see `Courier.send`. @default 5 */
  readonly maxHeldTries: number;
  /** The longest wait after a first failure, in milliseconds; doubled with each further one. @default 500 */
  readonly backoffBaseMs: number;
  /** The longest wait between tries, in milliseconds. @default 30000 */
  readonly backoffCapMs: number;
}

const DEFAULTS: CourierOptions = {
  concurrency: 8,
  failureThreshold: 5,
  authFailLimit: 10,
  maxHeldTries: 5,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
};

/** @throws RunnerError `OPTIONS_INVALID` */
export function resolveCourierOptions(options: Partial<CourierOptions>): CourierOptions {
  return resolveOptions('courier', options, DEFAULTS, {
    concurrency: positiveInteger,
    failureThreshold: positiveInteger,
    authFailLimit: wholeNumber,
    maxHeldTries: positiveInteger,
    backoffBaseMs: positiveInteger,
    backoffCapMs: positiveInteger,
  });
}
