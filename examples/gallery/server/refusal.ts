/** An answer that refuses a request; its message is shown to the client. */
export class Refusal extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** @throws Refusal 404 where there is nothing */
export function orMissing<T>(value: T | undefined): T {
  if (value === undefined) throw new Refusal(404, 'There is no such thing here.');
  return value;
}
