import type { NearestLists } from './nearest-lists.js';
import type { FixedRows } from './fixed-rows.js';

/** Faces that were merged so far; a single one at first. */
export interface Group {
  /** Places in the order of the faces. */
  readonly members: number[];
  /** Sum of the members' rows, whole numbers; undefined for a single face, whose row is its sum. */
  readonly sum: Float64Array | undefined;
}

/** A group in a round of merging, with all groups that it may be merged with. */
export interface Node extends Group {
  readonly index: number;
  /** Groups that are not linked to this one are at most this similar to it, or below the cut. */
  readonly ceiling: number;
  /** The first `count` of `ids` and `products` count; more may lie behind. */
  readonly ids: Int32Array;
  /** Products of the sums. Divided by both numbers of members: the mean similarity over all pairs of members. */
  readonly products: Float64Array;
  count: number;
  /** `waiting`: the lists don't tell whom it should be merged with, if anybody. */
  state: 'open' | 'waiting' | 'merged';
}

/** What the rounding of a mean to a row does to a similarity, with much to spare: 1e-5 is usual. */
export const MEAN_ROUNDING = 1e-4;

/** Makes a node of every group, linked to those of the lists with a mean similarity of at least `cut`, both ways. */
export function linkGroups(groups: readonly Group[], lists: NearestLists, rows: FixedRows, cut: number): Node[] {
  const named = countNamings(lists);
  const nodes = groups.map(({ members, sum }, index): Node => {
    const room = lists.count(index) + (named[index] as number);
    return {
      members,
      sum,
      index,
      ceiling: lists.ceilingOfMissing(index) - MEAN_ROUNDING * rows.unit,
      ids: new Int32Array(room),
      products: new Float64Array(room),
      count: 0,
      state: 'open',
    };
  });
  const seen = new Int32Array(nodes.length).fill(-1);
  for (const node of nodes) {
    // Whoever has been before has linked itself already.
    for (let place = 0; place < node.count; place++) seen[node.ids[place] as number] = node.index;
    for (let place = 0; place < lists.count(node.index); place++) {
      const other = nodes[lists.id(node.index, place)] as Node;
      if (seen[other.index] === node.index) continue;
      const isSingle = node.sum === undefined && other.sum === undefined;
      const product = isSingle ? lists.value(node.index, place) : multiply(node, other, rows);
      if (product < cut * node.members.length * other.members.length) continue;
      addLink(node, other.index, product);
      addLink(other, node.index, product);
    }
  }
  return nodes;
}

export function addLink(node: Node, id: number, product: number): void {
  node.ids[node.count] = id;
  node.products[node.count] = product;
  node.count++;
}

/** The product of two groups' sums: exact while it is below 2^53, and the same either way round. */
export function multiply(a: Group & { index: number }, b: Group & { index: number }, rows: FixedRows): number {
  const [x, y] = [a.sum ?? rows.row(a.index), b.sum ?? rows.row(b.index)];
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] as number) * (y[i] as number);
  return sum;
}

function countNamings(lists: NearestLists): Int32Array {
  const named = new Int32Array(lists.rows);
  for (let row = 0; row < lists.rows; row++) {
    for (let place = 0; place < lists.count(row); place++) {
      const id = lists.id(row, place);
      named[id] = (named[id] as number) + 1;
    }
  }
  return named;
}
