/** A vector as pgvector reads it. */
export function toSql(vector: ArrayLike<number>): string {
  return `[${Array.from(vector).join(',')}]`;
}

/** A vector that pgvector wrote. */
export function fromSql(text: string): Float32Array {
  return Float32Array.from(JSON.parse(text) as number[]);
}
