import type { PixelNeed, PixelRegion } from '../task.js';

/**
 * What the decoder leaves must be this many times what the resampler makes of it. Measured on twelve photos of 4 to 26
 * megapixels against full decoding: the worst embedding has a cosine of 0.9991 at 2, of 0.9995 at 2.5 and of 0.9996 at 3,
 * where 12 megapixels take a quarter longer, as the decoder then shrinks by 2 only.
 */
const KEEP = 2.5;
/** The same where a detector looks at the whole picture: more would leave photos of 12 megapixels as they are. */
const KEEP_INSIDE = 2;

/** From this reduction on the JPEG decoder can halve, quarter, … while it decodes. */
const LEAST_REDUCTION = 3;

interface Size {
  readonly width: number;
  readonly height: number;
}

export interface StoredSize {
  /** As stored, before orientation. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation that will be applied; 1 where none is. */
  readonly orientation: number;
}

export interface Shrink {
  /** Size to decode to, after orientation. */
  readonly width: number;
  readonly height: number;
  /** The part of the upright original that the decoded pixels show. */
  readonly region: PixelRegion;
}

/** The size to which a JPEG may be shrunk while decoding for all needs. Undefined: in full, as without any need. */
export function planShrink(stored: StoredSize, needs: readonly PixelNeed[]): Shrink | undefined {
  const { width, height } = uprightSize(stored);
  const reduction = reductionFor({ width, height }, needs);
  if (needs.length === 0 || reduction < LEAST_REDUCTION) return undefined;
  const target = { width: Math.floor(width / reduction), height: Math.floor(height / reduction) };
  const factor = decoderFactor(Math.min(width / target.width, height / target.height));
  return { ...target, region: shownRegion(stored, factor) };
}

/** How often a picture that was decoded in full may be halved: as much as above remains. 0 for a small one. */
export function planHalvings(size: Size, needs: readonly PixelNeed[]): number {
  return Math.max(0, Math.floor(Math.log2(reductionFor(size, needs))));
}

/** How many times smaller a picture may become, each side alike, until the first need would suffer. */
function reductionFor({ width, height }: Size, needs: readonly PixelNeed[]): number {
  const reductions = needs.map((need) => {
    const [across, down] = [width / need.width, height / need.height];
    return need.mode === 'inside' ? Math.max(across, down) / KEEP_INSIDE : Math.min(across, down) / KEEP;
  });
  return Math.min(...reductions);
}

/** Size after the orientation was applied. */
export function uprightSize({ width, height, orientation }: StoredSize): Size {
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}

/**
 * The factor by which sharp 0.35 lets libjpeg shrink, given the whole reduction; libvips' resize does the rest. A factor
 * equal to the whole part of the reduction is halved there. A test compares pixels, and fails if sharp changes this.
 */
function decoderFactor(reduction: number): 1 | 2 | 4 | 8 {
  if (reduction >= 9) return 8;
  if (reduction >= 5) return 4;
  return reduction >= 3 ? 2 : 1;
}

/**
 * libvips drops the last columns and rows (at the right and at the bottom, as stored) that don't fill a block of
 * `factor`. Taking the rest for the whole would move the picture by a fraction of a pixel, which is far more than the
 * shrinking itself costs.
 */
function shownRegion(stored: StoredSize, factor: number): PixelRegion {
  const upright = uprightSize(stored);
  const lostRight = stored.width % factor;
  const lostBottom = stored.height % factor;
  const isTurned = stored.orientation >= 5;
  const [lostAcross, lostDown] = isTurned ? [lostBottom, lostRight] : [lostRight, lostBottom];
  return {
    left: FLIPPED_ACROSS.has(stored.orientation) ? lostAcross : 0,
    top: FLIPPED_DOWN.has(stored.orientation) ? lostDown : 0,
    width: upright.width - lostAcross,
    height: upright.height - lostDown,
  };
}

/** Orientations that bring the stored right (or, turned, the stored bottom) to the left. */
const FLIPPED_ACROSS: ReadonlySet<number> = new Set([2, 3, 6, 7]);
/** Orientations that bring the stored bottom (or, turned, the stored right) to the top. */
const FLIPPED_DOWN: ReadonlySet<number> = new Set([3, 4, 7, 8]);
