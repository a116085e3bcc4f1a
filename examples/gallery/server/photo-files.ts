import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import PQueue from 'p-queue';
import sharp, { type Region, type Sharp } from 'sharp';
import type { FaceBox } from './database/faces.js';

/** What is known of an upload that can be a photo. */
export interface CheckedUpload {
  /** Ending of its file, by its content. */
  readonly extension: string;
  /** As a person sees it: turned as the file says. */
  readonly width: number;
  readonly height: number;
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  jpeg: 'jpg',
  png: 'png',
  webp: 'webp',
  gif: 'gif',
  heif: 'avif',
};
const TYPES: Readonly<Record<string, string>> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
  avif: 'image/avif',
};

/** All that is ever a name here; nothing in it can lead out of a folder. */
const NAME = /^[0-9a-f]{32}\.(jpg|png|webp|gif|avif)$/;

const MAX_PIXELS = 100_000_000;
const THUMBNAIL_PIXELS = 480;
const FACE_PIXELS = 160;
/** So much of the face's size is shown around it. */
const FACE_MARGIN = 0.35;
/** Pictures that are decoded at a time. */
const DECODINGS = 2;

/** The files of the photos: what was uploaded, and thumbnails. Names are random, and say nothing but the format. */
export class PhotoFiles {
  /** The folder that the paths of jobs are relative to. */
  readonly root: string;
  readonly #originals: string;
  readonly #thumbnails: string;
  readonly #decoding = new PQueue({ concurrency: DECODINGS });

  private constructor(root: string) {
    this.root = root;
    this.#originals = path.join(root, 'uploads', 'original');
    this.#thumbnails = path.join(root, 'uploads', 'thumbnail');
  }

  /** Makes the folders where they are missing. */
  static async open(root: string): Promise<PhotoFiles> {
    const files = new PhotoFiles(path.resolve(root));
    await mkdir(files.#originals, { recursive: true });
    await mkdir(files.#thumbnails, { recursive: true });
    return files;
  }

  /** Looks at the header alone. Undefined where the bytes are no picture of a kind and size that is taken. */
  async check(bytes: Buffer): Promise<CheckedUpload | undefined> {
    try {
      const { format, width, height, orientation = 1 } = await sharp(bytes, { limitInputPixels: false }).metadata();
      const extension = EXTENSIONS[format];
      if (extension === undefined || width * height > MAX_PIXELS) return undefined;
      return orientation >= 5 ? { extension, width: height, height: width } : { extension, width, height };
    } catch {
      return undefined;
    }
  }

  /** Keeps an upload; answers its name. */
  async save(bytes: Buffer, extension: string): Promise<string> {
    const name = `${randomBytes(16).toString('hex')}.${extension}`;
    await writeFile(path.join(this.#originals, name), bytes, { flag: 'wx' });
    return name;
  }

  /** Makes a small picture of it. Answers whether that was possible: the pixels may be broken. */
  async makeThumbnail(name: string, bytes: Buffer): Promise<boolean> {
    try {
      const thumbnail = await this.#decode(bytes, (picture) =>
        picture.resize(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS, { fit: 'outside', withoutEnlargement: true }),
      );
      await writeFile(path.join(this.#thumbnails, name), thumbnail);
      return true;
    } catch {
      return false;
    }
  }

  /** Undefined for a name that is none of a photo, and where there is no file. */
  async readOriginal(name: string): Promise<{ readonly bytes: Buffer; readonly type: string } | undefined> {
    const [, extension = ''] = NAME.exec(name) ?? [];
    const type = TYPES[extension];
    if (type === undefined) return undefined;
    const bytes = await readFile(path.join(this.#originals, name)).catch(() => undefined);
    return bytes && { bytes, type };
  }

  /** A WebP, or undefined where there is none. */
  async readThumbnail(name: string): Promise<Buffer | undefined> {
    return NAME.test(name) ? readFile(path.join(this.#thumbnails, name)).catch(() => undefined) : undefined;
  }

  /** A square WebP of a face with a little around it, or undefined where the photo can't be read. */
  async cutFace(name: string, box: FaceBox): Promise<Buffer | undefined> {
    const original = await this.readOriginal(name);
    if (original === undefined) return undefined;
    try {
      const upright = await sharp(original.bytes).metadata();
      const { autoOrient } = upright;
      const square = squareAround(box, autoOrient.width, autoOrient.height);
      return await this.#decode(original.bytes, (picture) =>
        picture.extract(square).resize(FACE_PIXELS, FACE_PIXELS, { fit: 'cover' }),
      );
    } catch {
      return undefined;
    }
  }

  async remove(name: string): Promise<void> {
    if (!NAME.test(name)) return;
    for (const folder of [this.#originals, this.#thumbnails]) await rm(path.join(folder, name), { force: true });
  }

  /** From bytes only: the runner shuts off the decoders that open files by themselves. */
  async #decode(bytes: Buffer, change: (picture: Sharp) => Sharp): Promise<Buffer> {
    return this.#decoding.add(() =>
      change(sharp(bytes, { limitInputPixels: MAX_PIXELS }).autoOrient())
        .webp({ quality: 80 })
        .toBuffer(),
    );
  }
}

/** The part of a photo that shows a face. */
function squareAround({ x1, y1, x2, y2 }: FaceBox, width: number, height: number): Region {
  const side = Math.round(Math.max(x2 - x1, y2 - y1) * (1 + 2 * FACE_MARGIN));
  const fitted = Math.max(1, Math.min(side, width, height));
  const start = (middle: number, size: number): number =>
    Math.round(Math.min(Math.max(middle - fitted / 2, 0), size - fitted));
  return { left: start((x1 + x2) / 2, width), top: start((y1 + y2) / 2, height), width: fitted, height: fitted };
}
