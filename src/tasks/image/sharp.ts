import sharp, { type Create } from 'sharp';

/** The only importer of sharp: its settings are process-wide, so they are made here, and here only. */

/** What is known of a picture before its pixels are decoded. */
export interface PictureHeader {
  /** As stored, before orientation. Of the first frame. */
  readonly width: number;
  readonly height: number;
  /** As the file says, whether it makes sense or not. */
  readonly orientation: number | undefined;
  readonly isCmyk: boolean;
}

export interface DecodeRequest {
  readonly bytes: Uint8Array;
  /** `error`: mere warnings are tolerated. `warning`: nothing is. */
  readonly failOn: 'error' | 'warning';
  readonly isCmyk: boolean;
  readonly autoOrient: boolean;
  readonly maxPixels: number;
  readonly timeoutMs: number;
  /** Size to shrink to, after orientation. */
  readonly size?: { readonly width: number; readonly height: number };
}

export interface DecodedPixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Buffers only: file loaders, and those for SVG, TIFF, PDF, … have had holes that a photo gallery need not risk. */
const ALLOWED_LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif'].map((name) => `VipsForeignLoad${name}Buffer`);

/**
 * Prepares sharp for worker threads: no cache (each picture comes once), and one thread per picture, as several
 * pictures are decoded at a time. `blockDecoders` shuts all other decoders of libvips off, in the whole process; they
 * are never used here either way, but other code in the process may want them.
 */
export function configureSharp({ blockDecoders }: { readonly blockDecoders: boolean }): void {
  sharp.cache(false);
  sharp.concurrency(1);
  if (!blockDecoders) return;
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: ALLOWED_LOADERS });
}

/** Reads the header, without a limit on the size that it states. Throws what sharp throws. */
export async function readHeader(bytes: Uint8Array): Promise<PictureHeader> {
  const { width, height, orientation, space } = await sharp(bytes, { pages: 1, limitInputPixels: false }).metadata();
  return { width, height, orientation, isCmyk: space === 'cmyk' };
}

/**
 * Decodes the first frame to 8-bit RGB, or to CMYK where the picture is that. Throws what sharp throws.
 *
 * The ICC profile is ignored: Pillow hands out the same numbers whatever the profile says, and embeddings that are
 * compared with stored ones must be made of the same numbers. (Applying it moves a Display P3 photo to a cosine of 0.993.)
 */
export async function decodePixels(request: DecodeRequest): Promise<DecodedPixels> {
  const { bytes, failOn, autoOrient, maxPixels, timeoutMs, size } = request;
  let picture = sharp(bytes, { failOn, autoOrient, pages: 1, ignoreIcc: true, limitInputPixels: maxPixels });
  picture = picture.timeout({ seconds: Math.max(1, Math.ceil(timeoutMs / 1000)) });
  if (size !== undefined) picture = picture.resize(size.width, size.height, { fit: 'fill', kernel: 'lanczos3' });
  // Alpha is dropped as it is, which holds only while nothing but JPEG is resized: sharp premultiplies when it resizes.
  picture = request.isCmyk
    ? picture.pipelineColourspace('cmyk').toColourspace('cmyk')
    : picture.removeAlpha().toColourspace('srgb');
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** A part of a picture as a thumbnail. */
export interface ThumbnailRequest {
  /** 8-bit RGB. */
  readonly pixels: DecodedPixels;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Of the thumbnail, in pixels; a part that is no square is filled up. */
  readonly side: number;
}

/** Cuts a part out of a picture and makes a small JPEG of it. */
export async function makeThumbnail({ pixels, side, ...region }: ThumbnailRequest): Promise<Buffer> {
  const { data, width, height } = pixels;
  return sharp(data, { raw: { width, height, channels: 3 } })
    .extract(region)
    .resize(side, side, { fit: 'contain', background: '#808080' })
    .jpeg({ quality: 80 })
    .toBuffer();
}

/**
 * Makes a JPEG of the size and the detail of a camera's: colours that run into each other, and grain. For measurements, where
 * there is no photo at hand.
 */
export async function makeJpeg(width: number, height: number): Promise<Buffer> {
  const noise = (share: number, sigma: number): Create => ({
    width: Math.ceil(width * share),
    height: Math.ceil(height * share),
    channels: 3,
    background: '#808080',
    noise: { type: 'gaussian', mean: 128, sigma },
  });
  const shapes = await sharp({ create: noise(1 / 200, 60) })
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .png({ compressionLevel: 0 })
    .toBuffer();
  const grain = await sharp({ create: noise(1, 12) })
    .png({ compressionLevel: 0 })
    .toBuffer();
  return sharp(shapes)
    .composite([{ input: grain, blend: 'soft-light' }])
    .jpeg({ quality: 88 })
    .toBuffer();
}

/** Makes a JPEG of pixels, the same bytes each time. For measurements that must see the same picture on every machine. */
export async function encodeJpeg({ data, width, height }: DecodedPixels): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}
