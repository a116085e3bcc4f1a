import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { RunnerError } from '../../../errors.js';

/** Pictures to compare with: files, or the bytes of made ones. */
export interface Pictures {
  readonly inputs: readonly (string | Uint8Array)[];
  /** For people: `24 made pictures`. */
  readonly title: string;
}

/** More make a comparison longer and hardly surer. */
const MOST_PHOTOS = 200;
const SIZES = [
  [448, 336],
  [336, 448],
  [384, 384],
] as const;
const VARIANTS = 4;

/**
 * The photos of a folder by their names, at most 200.
 * @throws RunnerError `OPTIONS_INVALID` where there are none
 */
export async function photosOf(folder: string): Promise<Pictures> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new RunnerError('OPTIONS_INVALID', `--photos: the folder ${folder} can't be read.`, { cause });
  });
  const photos = names.filter((name) => /\.(jpe?g|png|webp|gif|avif)$/i.test(name)).sort();
  if (photos.length < 2) {
    throw new RunnerError(
      'OPTIONS_INVALID',
      `--photos: expected at least two photos in ${folder}, but found ${photos.length}.`,
    );
  }
  const taken = photos.slice(0, MOST_PHOTOS);
  const title = `${taken.length} photos of ${folder}${taken.length < photos.length ? ` (of ${photos.length})` : ''}`;
  return { inputs: taken.map((name) => path.resolve(folder, name)), title };
}

/** Pictures that are the same on every machine: landscapes, tiles, discs, stripes, clouds and printed pages. */
export async function madePictures(): Promise<Pictures> {
  const { encodeJpeg } = await import('../../../tasks/image/sharp.js');
  const inputs: Uint8Array[] = [];
  for (let variant = 0; variant < VARIANTS; variant++) {
    for (const [kind, scene] of SCENES.entries()) {
      const seed = variant * SCENES.length + kind + 1;
      const [width, height] = SIZES[seed % SIZES.length] ?? SIZES[0];
      inputs.push(await encodeJpeg({ data: paint(scene, seed, width, height), width, height }));
    }
  }
  return { inputs, title: `${inputs.length} made pictures` };
}

type Colour = readonly [red: number, green: number, blue: number];
/** The colour of a place, both from 0 to 1. */
type Paint = (x: number, y: number) => Colour;
type Scene = (random: () => number) => Paint;

const SCENES: readonly Scene[] = [landscape, tiles, discs, stripes, clouds, page];

function paint(scene: Scene, seed: number, width: number, height: number): Uint8Array {
  const random = randomFrom(seed);
  const colourAt = scene(random);
  const data = new Uint8Array(3 * width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // Grain, as every camera has.
      const grain = (random() - 0.5) * 12;
      for (const value of colourAt(x / width, y / height)) data[i++] = Math.min(255, Math.max(0, value + grain));
    }
  }
  return data;
}

function landscape(random: () => number): Paint {
  const [sky, hill, sunX, horizon] = [colour(random), colour(random), random(), 0.4 + 0.3 * random()];
  const [pace, height] = [3 + 9 * random(), 0.05 + 0.1 * random()];
  return (x, y) => {
    if (y > horizon + height * Math.sin(pace * x)) return mix(hill, [20, 30, 20], y);
    return Math.hypot(x - sunX, y - 0.2) < 0.09 ? [255, 236, 170] : mix(sky, [240, 240, 250], y);
  };
}

function tiles(random: () => number): Paint {
  const [one, other, count, turn] = [colour(random), colour(random), 3 + 9 * random(), random()];
  return (x, y) => {
    const [u, v] = [x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn)];
    return (Math.floor(u * count) + Math.floor(v * count)) % 2 === 0 ? one : other;
  };
}

function discs(random: () => number): Paint {
  const ground = colour(random);
  const all = Array.from({ length: 4 + Math.floor(8 * random()) }, () => ({
    ...{ x: random(), y: random(), radius: 0.04 + 0.16 * random(), colour: colour(random) },
  }));
  return (x, y) => all.find((disc) => Math.hypot(x - disc.x, y - disc.y) < disc.radius)?.colour ?? ground;
}

function stripes(random: () => number): Paint {
  const [one, other, angle, count] = [colour(random), colour(random), Math.PI * random(), 10 + 60 * random()];
  return (x, y) => mix(one, other, 0.5 + 0.5 * Math.sin(count * (x * Math.cos(angle) + y * Math.sin(angle))));
}

function clouds(random: () => number): Paint {
  const [one, other] = [colour(random), colour(random)];
  const waves = Array.from({ length: 5 }, (_, i) => ({
    ...{ u: (random() - 0.5) * 12 * (i + 1), v: (random() - 0.5) * 12 * (i + 1), at: 7 * random(), share: 1 / (i + 2) },
  }));
  return (x, y) => {
    const sum = waves.reduce((total, { u, v, at, share }) => total + share * Math.sin(u * x + v * y + at), 0);
    return mix(one, other, 0.5 + sum / 2);
  };
}

/** Lines of dark strokes on paper. */
function page(random: () => number): Paint {
  const [paper, ink, lines] = [
    mix(colour(random), [255, 255, 255], 0.8),
    colour(random),
    8 + Math.floor(14 * random()),
  ];
  const strokes = Array.from({ length: lines }, () => Array.from({ length: 48 }, () => random() < 0.55));
  return (x, y) => {
    const line = strokes[Math.floor(y * lines)] ?? [];
    const isInk = line[Math.floor(x * 48)] === true && (y * lines) % 1 > 0.35 && x > 0.08 && x < 0.92;
    return isInk ? mix(ink, [0, 0, 0], 0.6) : paper;
  };
}

function colour(random: () => number): Colour {
  return [255 * random(), 255 * random(), 255 * random()];
}

function mix(one: Colour, other: Colour, share: number): Colour {
  const part = Math.min(1, Math.max(0, share));
  return [
    one[0] + (other[0] - one[0]) * part,
    one[1] + (other[1] - one[1]) * part,
    one[2] + (other[2] - one[2]) * part,
  ];
}

/** Numbers from 0 to 1 that follow from the seed (Marsaglia's xorshift of 32 bits). */
function randomFrom(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 32;
  };
}
