/** Random numbers from 0 up to 1 that a seed of 32 bits decides. */
export function seededRandom(seed: number): () => number;
