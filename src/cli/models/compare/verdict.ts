import type { Device, Dtype } from '../../../model.js';
import type { Fidelity, Spread } from './figures.js';

/**
 * What a precision is good for. `reference`: the others are compared with it. `equal`: as good as it. `fit`: for search, also
 * beside its vectors. `apart`: for search among its own vectors. `unfit`: for nothing. `failed`: it does not run here.
 */
export type Verdict = 'reference' | 'equal' | 'fit' | 'apart' | 'unfit' | 'failed';

/** The least cosine for each verdict, and the share of inputs that must be found by their own vector; in docs/models.md. */
export const THRESHOLDS = { equal: 0.999, fit: 0.99, apart: 0.95, found: 0.9 } as const;

/** What is said of a difference in speed that may as well be chance. */
const EVEN = 0.05;

/** What was measured of a precision. */
export interface Measured {
  readonly dtype: Dtype;
  readonly device: Device;
  /** Where fp32 ran. */
  readonly referenceDevice: Device;
  readonly fidelity: Fidelity;
  /** Inputs that got no vector, and what was said of the first of them. */
  readonly failures: readonly string[];
  /** How many times as fast as fp32. */
  readonly ratio: Spread;
  /** Sizes of the files. */
  readonly fileBytes: number;
  readonly referenceBytes: number;
}

/** The verdict, and a sentence for people. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly says: string;
}

export function judge(measured: Measured): Judgement {
  const { fidelity, failures } = measured;
  const { inputs, found } = fidelity;
  const verdict = verdictOf(measured);
  const facts = [
    ...(inputs === 0 ? [] : [`min cosine ${cosineText(fidelity.min)}`]),
    speedText(measured),
    sizeText(measured),
  ];
  const reasons = [
    ...(failures[0] === undefined ? [] : [`${failures.length} of its inputs got no vector (${failures[0]})`]),
    ...(inputs > 0 && fidelity.min < THRESHOLDS.apart ? [`a min cosine below ${THRESHOLDS.apart}`] : []),
    ...(found < inputs * THRESHOLDS.found ? [`only ${found} of ${inputs} inputs are found by their own vector`] : []),
  ];
  const why = verdict === 'unfit' ? ` (${reasons.join('; ')})` : '';
  return { verdict, says: `${facts.filter((fact) => fact !== '').join(', ')}: ${WORDS[verdict]}${why}` };
}

const WORDS = {
  equal: 'as good as fp32, and its vectors may stand beside those of fp32',
  fit: 'fit for search, also beside vectors of fp32',
  apart: 'fit for search among its own vectors only: embed all photos and texts with it',
  unfit: 'unfit: its vectors are not those of the model',
} as const satisfies Partial<Record<Verdict, string>>;

function verdictOf({ fidelity, failures }: Measured): keyof typeof WORDS {
  const { inputs, min, found } = fidelity;
  // Written so that NaN is unfit as well.
  if (failures.length > 0 || inputs === 0 || !(found >= inputs * THRESHOLDS.found)) return 'unfit';
  if (min >= THRESHOLDS.equal) return 'equal';
  if (min >= THRESHOLDS.fit) return 'fit';
  return min >= THRESHOLDS.apart ? 'apart' : 'unfit';
}

/** As many places as tell it from 1. */
export function cosineText(cosine: number): string {
  const places = cosine > 0.9995 ? 6 : 3;
  // Rounding up must not make a cosine look like the one above a threshold.
  return (Math.floor(cosine * 10 ** places) / 10 ** places).toFixed(places);
}

function speedText({ ratio, dtype, device, referenceDevice }: Measured): string {
  const { median, lower, upper } = ratio;
  if (Number.isNaN(median)) return '';
  const where = device === referenceDevice ? '' : ` (on ${device}, fp32 on ${referenceDevice})`;
  if (Math.abs(median - 1) < EVEN || (lower <= 1 && upper >= 1)) return `as fast${where}`;
  if (median > 1) return `${median.toFixed(median < 10 ? 1 : 0)} times as fast${where}`;
  return `slower (${median.toFixed(2)} times as fast${remark(dtype, device)})${where}`;
}

function remark(dtype: Dtype, device: Device): string {
  if (dtype === 'fp16' && device === 'cpu') return '; processors compute halves by way of float32, fp16 is for GPUs';
  if (dtype === 'q8' && device !== 'cpu') return `; 8 bits are for processors, this is ${device}`;
  return '';
}

function sizeText({ fileBytes, referenceBytes }: Measured): string {
  const share = fileBytes / referenceBytes - 1;
  const percent = Math.round(Math.abs(share) * 100);
  if (percent === 0) return 'as large';
  return `${percent} % ${share < 0 ? 'smaller' : 'larger'}`;
}
