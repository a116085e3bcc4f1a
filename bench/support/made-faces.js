// Made faces to cluster: unit vectors around people, hard in the ways that photo collections are. Everything comes from the seed.
import { seededRandom } from './random.js';
const DIM = 512;

/**
 * `people` people and some strangers who were met once. A person has 5 to 200 faces, most of them few. Persons differ in spread;
 * every third has two looks (a child grows up), every tenth a look-alike, one face in 25 is blurred: nearer to
 * what all blurred faces share than to its person.
 * Answers `faces` for clusterFaces() and `truth`, the number of the person of each, strangers each with their own.
 */
export function makeFaces({ count, people, seed }) {
  const random = seededRandom(seed);
  const gaussian = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const direction = () => normalise(Float64Array.from({ length: DIM }, gaussian));
  const mix = (a, b, share) => normalise(a.map((value, i) => value + share * b[i]));

  const blur = direction();
  const sizes = makeSizes(Math.round(count * 0.9), people, random);
  const persons = [];
  for (let number = 0; number < people; number++) {
    const model = number % 10 === 9 ? mix(persons[number - 1].looks[0], direction(), 1.1) : direction();
    const looks = number % 3 === 2 ? [model, mix(model, direction(), 0.7)] : [model];
    persons.push({ looks, spread: 0.55 + 0.6 * random() });
  }

  const made = [];
  const add = (center, spread, number) => {
    const face = mix(center, direction(), spread * Math.exp(0.2 * gaussian()));
    made.push({ number, embedding: Float32Array.from(random() < 0.04 ? mix(face, blur, 0.4 + 0.6 * random()) : face) });
  };
  for (const [number, { looks, spread }] of persons.entries()) {
    for (let i = 0; i < sizes[number]; i++) add(looks[Math.floor(random() * looks.length)], spread, number);
  }
  for (let number = people; made.length < count; number++) add(direction(), 0.5, number);

  shuffle(made, random);
  return {
    faces: made.map(({ embedding }, i) => ({ photoId: Math.floor(i / 2) + 1, faceIndex: i % 2, embedding })),
    truth: made.map(({ number }) => number),
  };
}

/** Adjusted Rand index of two partitions, each given as the cluster of every item: 1 is equal, 0 is chance. */
export function adjustedRandIndex(a, b) {
  const pairs = (count) => (count * (count - 1)) / 2;
  const sumOfPairs = (keys) => {
    const counts = new Map();
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    return [...counts.values()].reduce((sum, count) => sum + pairs(count), 0);
  };
  const together = sumOfPairs(a.map((value, i) => `${value} ${b[i]}`));
  const [inA, inB] = [sumOfPairs(a), sumOfPairs(b)];
  const expected = (inA * inB) / pairs(a.length);
  return (together - expected) / ((inA + inB) / 2 - expected);
}

/** Sizes with a long tail, 5 to 200 where the mean allows it, that add up to `total`. */
function makeSizes(total, people, random) {
  const weights = Array.from({ length: people }, () => Math.min(200, 5 * (1 - random()) ** -0.85));
  const sum = weights.reduce((a, b) => a + b, 0);
  const sizes = weights.map((weight) => Math.max(2, Math.round((weight * total) / sum)));
  return sizes;
}

function normalise(vector) {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

function shuffle(list, random) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
}
