import { fileURLToPath } from 'node:url';

/** Here, so that it is right for the sources as well as for what is built of them, one folder beside. */
export const PAGE_FOLDER = fileURLToPath(new URL('../page/', import.meta.url));
