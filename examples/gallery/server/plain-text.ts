/** Lone halves of surrogate pairs, as in `/\p{Cs}/u`. */
const LONE_HALF = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** A text that any database and any client can hold: without control characters, on one line. */
export function plainText(text: string): string {
  return text
    .replace(LONE_HALF, '\uFFFD')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
}
