import { createHash } from 'node:crypto';

export interface Differences {
  /** Places in `listed` that nobody here knows of, oldest first. */
  readonly ghosts: readonly number[];
  /** Places in `held` that are no longer listed. */
  readonly lost: readonly number[];
  /** Places in `owed` that have still to be carried out. */
  readonly undone: readonly number[];
  /** Places in `owed` that were carried out although no answer came. */
  readonly done: readonly number[];
}

/**
 * Compares a processing list with what its owner believes, as multisets of bytes: identical elements can't be told
 * apart, but their numbers decide exactly, because the list has one owner.
 *
 * `held` are elements that must be in the list, `owed` those whose removal was asked for without an answer. Of owed
 * elements with equal bytes the first are the undone ones: put first what must not be forgotten.
 *
 * @param listed newest first, as in Redis
 */
export function reconcile(listed: readonly Buffer[], held: readonly Buffer[], owed: readonly Buffer[]): Differences {
  const listedPlaces = placesByBytes(listed);
  const heldPlaces = placesByBytes(held);
  const owedPlaces = placesByBytes(owed);
  const ghosts: number[] = [];
  const lost: number[] = [];
  const undone: number[] = [];
  const done: number[] = [];

  for (const key of new Set([...listedPlaces.keys(), ...heldPlaces.keys(), ...owedPlaces.keys()])) {
    const inList = listedPlaces.get(key) ?? [];
    const inHand = heldPlaces.get(key) ?? [];
    const inDebt = owedPlaces.get(key) ?? [];
    const surplus = Math.max(0, inList.length - inHand.length);
    lost.push(...inHand.slice(inList.length));
    undone.push(...inDebt.slice(0, surplus));
    done.push(...inDebt.slice(surplus));
    ghosts.push(...inList.slice(0, Math.max(0, surplus - inDebt.length)));
  }
  return { ghosts: ghosts.sort((a, b) => b - a), lost, undone: undone.sort((a, b) => a - b), done };
}

function placesByBytes(elements: readonly Buffer[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  elements.forEach((element, place) => {
    // Collision-proof, because anybody who can push chooses the bytes; and a string of any length would not do as a key.
    const key = createHash('sha256').update(element).digest('base64');
    const found = places.get(key);
    if (found) found.push(place);
    else places.set(key, [place]);
  });
  return places;
}
