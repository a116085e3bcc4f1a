import { WEIGHT_USES, type WeightGroup, type WeightUse } from '../../../models/weight-inventory.js';
import { SIDE_WORDS } from '../overview-text.js';
import { sizeText, tableLines } from '../table.js';
import { REFERENCE, type PrecisionRow } from './compare-side.js';
import type { Spread } from './figures.js';
import { cosineText } from './verdict.js';

const HEADINGS = [
  ...['PRECISION', 'SIDE', 'DEVICE', 'FILE', 'MEMORY'],
  ...['MIN COSINE', 'MEAN', 'FOUND', 'BATCH', 'MS EACH', 'HALF WITHIN', 'SPEED', 'HALF WITHIN'],
] as const;

/** The figures as a table, then for each row its verdict and what was done to its weights. */
export function comparisonLines(rows: readonly PrecisionRow[]): readonly string[] {
  const others = rows.filter(({ verdict }) => verdict !== 'reference');
  return [
    ...tableLines(HEADINGS, rows.map(cells)),
    '',
    ...others.flatMap((row) => [
      `${row.dtype}, ${SIDE_WORDS[row.side]}: ${row.says}`,
      ...weightLines(
        row,
        rows.find(({ dtype, side }) => dtype === REFERENCE && side === row.side),
      ),
    ]),
  ];
}

function cells(row: PrecisionRow): readonly string[] {
  const { dtype, side, device, fileBytes, memoryBytes, fidelity, batch, ms, ratio } = row;
  return [
    ...[dtype, SIDE_WORDS[side], device ?? '-'],
    ...[fileBytes, memoryBytes].map((bytes) => (bytes === undefined ? '-' : sizeText(bytes))),
    ...(fidelity === undefined
      ? ['-', '-', '-']
      : [cosineText(fidelity.min), cosineText(fidelity.mean), `${fidelity.found}/${fidelity.inputs}`]),
    batch === undefined ? '-' : String(batch),
    ...spreadCells(ms),
    ...(row.verdict === 'reference' ? ['1', '-'] : spreadCells(ratio)),
  ];
}

/** The median, and between which values the middle half of the rounds lies. */
function spreadCells(spread: Spread | undefined): readonly [string, string] {
  if (spread === undefined || Number.isNaN(spread.median)) return ['-', '-'];
  const { median, lower, upper } = spread;
  return [figure(median), `${figure(lower)} to ${figure(upper)}`];
}

/** Three digits tell all that can be measured. */
function figure(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function weightLines({ weights }: PrecisionRow, reference: PrecisionRow | undefined): readonly string[] {
  if (weights === undefined || reference?.weights === undefined) return [];
  const before = reference.weights;
  const uses = WEIGHT_USES.filter((use) => [...weights, ...before].some((group) => group.use === use));
  return [`  weights: ${uses.map((use) => useText(use, weights, before)).join('; ')}`];
}

/** `MatMul 24 int8 of 21 MB (fp32: 24 float32 of 85 MB)`; of the rest only its size is of interest. */
function useText(use: WeightUse, weights: readonly WeightGroup[], before: readonly WeightGroup[]): string {
  const [now, then] = [weights, before].map((groups) => groups.filter((group) => group.use === use));
  const textOf = use === 'other' ? bytesText : countText;
  const [nowText, thenText] = [textOf(now), textOf(then)];
  const name = use === 'other' ? 'biases, scales and the like' : use;
  return `${name} ${nowText} (${nowText === thenText ? `as in ${REFERENCE}` : `${REFERENCE}: ${thenText}`})`;
}

function bytesText(groups: readonly WeightGroup[] = []): string {
  return sizeText(groups.reduce((sum, { bytes }) => sum + bytes, 0));
}

function countText(groups: readonly WeightGroup[] = []): string {
  if (groups.length === 0) return 'none';
  return groups.map(({ type, count, bytes }) => `${count} ${type} of ${sizeText(bytes)}`).join(' and ');
}
