import { addLink, multiply, type Node } from './group-links.js';
import type { FixedRows } from './fixed-rows.js';

const NOWHERE = -1;
const LINKED_TO_BOTH = -2;

/**
 * One round of merging: groups that are each other's nearest become one, as long as their mean similarity is `cut` or
 * more (in units of `rows.unit`) and nobody unknown can be nearer.
 *
 * With the mean over all pairs, a merged group is never nearer to a third than both of its parts were. So the order in
 * which mutual nearest ones are merged has no effect, and following nearest neighbours from anywhere leads to the
 * merges of the whole tree (the nearest-neighbour chain of F. Murtagh, "A survey of recent advances in hierarchical
 * clustering algorithms", The Computer Journal 26, 1983). And a group below the cut to both parts stays below it.
 */
export class MergeRound {
  readonly #nodes: Node[];
  readonly #rows: FixedRows;
  readonly #cut: number;
  /** By id, the place among the links of the union being made. A round of n groups makes at most n - 1 more. */
  readonly #places: Int32Array;

  constructor(nodes: Node[], rows: FixedRows, cut: number) {
    this.#nodes = nodes;
    this.#rows = rows;
    this.#cut = cut;
    this.#places = new Int32Array(2 * nodes.length).fill(NOWHERE);
  }

  /** Grows with every merge; the node at `length - 1` is the latest. */
  get length(): number {
    return this.#nodes.length;
  }

  /** The groups that were not merged into others, oldest first. */
  groups(): readonly Node[] {
    return this.#nodes.filter(({ state }) => state !== 'merged');
  }

  /** Goes from a node to its nearest, from there to the nearest, and so on, and merges what it comes to. */
  followFrom(seed: number): void {
    const chain = this.#node(seed).state === 'merged' ? [] : [this.#node(seed)];
    for (let node = chain.at(-1); node !== undefined; node = chain.at(-1)) {
      const nearest = node.state === 'open' ? this.#nearest(node) : undefined;
      if (nearest === undefined) {
        // Those before it have it as their nearest, for the whole round; so they wait as well.
        for (const waiting of chain) waiting.state = 'waiting';
        return;
      }
      if (nearest === chain.at(-2)) {
        chain.length -= 2;
        this.#merge(nearest, node);
      } else {
        chain.push(nearest);
      }
    }
  }

  /** The nearest group; of equally near ones the oldest. Undefined where there is none or an unknown one may be nearer. */
  #nearest(node: Node): Node | undefined {
    let best: Node | undefined;
    let most = -Infinity;
    for (let place = 0; place < node.count; place++) {
      const other = this.#node(node.ids[place] as number);
      const similarity = (node.products[place] as number) / (node.members.length * other.members.length);
      if (similarity > most || (similarity === most && best !== undefined && other.index < best.index)) {
        best = other;
        most = similarity;
      }
    }
    return most < node.ceiling ? undefined : best;
  }

  #merge(a: Node, b: Node): void {
    const union = this.#unite(a, b);
    this.#nodes.push(union);
    for (const part of [a, b]) {
      part.state = 'merged';
      for (let place = 0; place < part.count; place++)
        dropLinks(this.#node(part.ids[place] as number), a.index, b.index);
    }
    for (let place = 0; place < union.count; place++) {
      addLink(this.#node(union.ids[place] as number), union.index, union.products[place] as number);
    }
  }

  /** The merged node, linked to all that are near enough to it. */
  #unite(a: Node, b: Node): Node {
    const [more, fewer] = a.members.length < b.members.length ? [b, a] : [a, b];
    const room = a.count + b.count;
    const sum = this.#add(more, fewer);
    for (const member of fewer.members) more.members.push(member);
    const union: Node = {
      members: more.members,
      sum,
      index: this.#nodes.length,
      ceiling: Math.max(a.ceiling, b.ceiling),
      ids: new Int32Array(room),
      products: new Float64Array(room),
      count: 0,
      state: 'open',
    };
    this.#gatherLinks(union, a, b);
    this.#keepNearLinks(union);
    return union;
  }

  /** The greater group's sum with the lesser's added to it, in place where there is one. */
  #add(more: Node, fewer: Node): Float64Array {
    const sum = more.sum ?? Float64Array.from(this.#rows.row(more.index));
    const addend = fewer.sum ?? this.#rows.row(fewer.index);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (addend[i] as number);
    return sum;
  }

  /** Links the union to all that either part was linked to; products are set for those linked to both. */
  #gatherLinks(union: Node, a: Node, b: Node): void {
    const places = this.#places;
    for (const part of [a, b]) {
      for (let place = 0; place < part.count; place++) {
        const id = part.ids[place] as number;
        if (id === a.index || id === b.index) continue;
        const product = part.products[place] as number;
        const known = places[id] as number;
        if (known === NOWHERE) {
          places[id] = union.count;
          addLink(union, id, product);
        } else {
          union.products[known] = (union.products[known] as number) + product;
          places[id] = LINKED_TO_BOTH;
        }
      }
    }
  }

  #keepNearLinks(union: Node): void {
    const gathered = union.count;
    union.count = 0;
    for (let place = 0; place < gathered; place++) {
      const other = this.#node(union.ids[place] as number);
      const isKnown = this.#places[other.index] === LINKED_TO_BOTH;
      const product = isKnown ? (union.products[place] as number) : multiply(union, other, this.#rows);
      this.#places[other.index] = NOWHERE;
      if (product >= this.#cut * union.members.length * other.members.length) addLink(union, other.index, product);
    }
  }

  #node(id: number): Node {
    return this.#nodes[id] as Node;
  }
}

function dropLinks(node: Node, first: number, second: number): void {
  const before = node.count;
  node.count = 0;
  for (let place = 0; place < before; place++) {
    const id = node.ids[place] as number;
    if (id !== first && id !== second) addLink(node, id, node.products[place] as number);
  }
}
