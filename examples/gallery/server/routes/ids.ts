/** Ids are whole numbers that PostgreSQL calls `int`. */
export const MOST_ID = 2 ** 31 - 1;

/** The parameters of an address with `:id`. */
export const idSchema = {
  type: 'object',
  properties: { id: { type: 'integer', minimum: 1, maximum: MOST_ID } },
} as const;

/** An id in a body, as a number or as its digits. Undefined for anything else. */
export function readId(value: unknown): number | undefined {
  const isText = typeof value === 'string' && /^\d{1,10}$/.test(value);
  const id = isText ? Number(value) : value;
  return typeof id === 'number' && Number.isInteger(id) && id >= 1 && id <= MOST_ID ? id : undefined;
}
