/**
 * For each row the `capacity` most similar others that were offered, in bounded memory. What is kept does not depend on
 * the order of the offers: of equally similar ones the lower index is kept.
 */
export class NearestLists {
  readonly capacity: number;
  readonly #ids: Int32Array;
  readonly #values: Int32Array;
  readonly #counts: Int32Array;
  readonly #overflowed: Uint8Array;

  constructor(rows: number, capacity: number) {
    this.capacity = capacity;
    this.#ids = new Int32Array(rows * capacity);
    this.#values = new Int32Array(rows * capacity);
    this.#counts = new Int32Array(rows);
    this.#overflowed = new Uint8Array(rows);
  }

  get rows(): number {
    return this.#counts.length;
  }

  count(row: number): number {
    return this.#counts[row] as number;
  }

  id(row: number, place: number): number {
    return this.#ids[row * this.capacity + place] as number;
  }

  value(row: number, place: number): number {
    return this.#values[row * this.capacity + place] as number;
  }

  /** Whoever is missing from the row's list is at most this similar; -Infinity where nobody is missing. */
  ceilingOfMissing(row: number): number {
    return this.#overflowed[row] === 1 ? this.value(row, 0) : -Infinity;
  }

  offer(row: number, id: number, value: number): void {
    const base = row * this.capacity;
    const count = this.count(row);
    if (count < this.capacity) {
      this.#counts[row] = count + 1;
      this.#rise(base, count, id, value);
      return;
    }
    this.#overflowed[row] = 1;
    if (isLess(value, id, this.#values[base] as number, this.#ids[base] as number)) return;
    this.#sink(base, id, value);
  }

  /** A row's list is a binary heap with the least similar at its root, the one to give way. */
  #rise(base: number, from: number, id: number, value: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const parentValue = this.#values[base + parent] as number;
      const parentId = this.#ids[base + parent] as number;
      if (!isLess(value, id, parentValue, parentId)) break;
      this.#put(base + place, parentId, parentValue);
      place = parent;
    }
    this.#put(base + place, id, value);
  }

  #sink(base: number, id: number, value: number): void {
    let place = 0;
    for (;;) {
      const child = this.#lesserChild(base, place);
      if (child === undefined) break;
      const childValue = this.#values[base + child] as number;
      const childId = this.#ids[base + child] as number;
      if (!isLess(childValue, childId, value, id)) break;
      this.#put(base + place, childId, childValue);
      place = child;
    }
    this.#put(base + place, id, value);
  }

  #lesserChild(base: number, place: number): number | undefined {
    const left = 2 * place + 1;
    if (left >= this.capacity) return undefined;
    const right = left + 1;
    if (right >= this.capacity) return left;
    const [l, r] = [base + left, base + right];
    const isRightLess = isLess(
      this.#values[r] as number,
      this.#ids[r] as number,
      this.#values[l] as number,
      this.#ids[l] as number,
    );
    return isRightLess ? right : left;
  }

  #put(place: number, id: number, value: number): void {
    this.#ids[place] = id;
    this.#values[place] = value;
  }
}

function isLess(value: number, id: number, otherValue: number, otherId: number): boolean {
  return value < otherValue || (value === otherValue && id > otherId);
}
