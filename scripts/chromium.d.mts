export function findChromium(): string | undefined;
/** Its file, as Playwright wants it, or undefined. */
export function findChromiumFile(): string | undefined;
export function ensureChromium(): string;
