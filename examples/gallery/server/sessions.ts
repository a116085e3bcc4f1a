import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { jwtVerify, SignJWT } from 'jose';
import type { Database } from './database/database.js';
import { findUser, type User } from './database/users.js';

const COOKIE = 'gallery_session';
const LIFETIME_S = 30 * 24 * 3600;
const ISSUER = 'clip-runner-gallery';

/** Who makes a request, and by which of the two ways that is known. */
export interface Caller {
  readonly user: User;
  readonly by: 'header' | 'cookie';
}

/** Tokens of users: signed by the server's secret (JWT, HS256), valid for 30 days. */
export class Sessions {
  readonly #key: Uint8Array;
  readonly #database: Database;

  constructor(secret: string, database: Database) {
    this.#key = createHash('sha256').update(secret).digest();
    this.#database = database;
  }

  async tokenFor({ id }: User): Promise<string> {
    return new SignJWT()
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(ISSUER)
      .setSubject(String(id))
      .setIssuedAt()
      .setExpirationTime(`${LIFETIME_S}s`)
      .sign(this.#key);
  }

  /** The header `Authorization: Bearer …` (the tools), else the cookie (the page). Undefined for nobody. */
  async callerOf(request: FastifyRequest): Promise<Caller | undefined> {
    const bearer = bearerOf(request);
    const token = bearer ?? cookieOf(request);
    const user = token === undefined ? undefined : await this.#userOf(token);
    return user && { user, by: bearer === undefined ? 'cookie' : 'header' };
  }

  async #userOf(token: string): Promise<User | undefined> {
    try {
      const { payload } = await jwtVerify(token, this.#key, { issuer: ISSUER, algorithms: ['HS256'] });
      const id = Number(payload.sub);
      return Number.isInteger(id) ? await findUser(this.#database, id) : undefined;
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('ERR_J')) return undefined;
      throw thrown;
    }
  }
}

/** The token of the header `Authorization`, not checked. */
export function bearerOf({ headers }: FastifyRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
}

function cookieOf({ headers }: FastifyRequest): string | undefined {
  return new RegExp(`(?:^|; *)${COOKIE}=([^;]+)`).exec(headers.cookie ?? '')?.[1];
}

/** The cookie that keeps a page signed in: no script reads it, and no other site's request carries it. */
export function sessionCookie(token: string, isSecure: boolean): string {
  const age = token === '' ? 0 : LIFETIME_S;
  return `${COOKIE}=${token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${age}${isSecure ? '; Secure' : ''}`;
}

/**
 * Whether a request was made by a page of this server. Browsers say where a request comes from; one that is made in the
 * user's name by the cookie has to say it.
 */
export function isFromOwnPage({ headers }: FastifyRequest): boolean {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  if (origin === undefined) return site === 'same-origin';
  return URL.canParse(origin) && new URL(origin).host === host;
}

/** Compared by digests, which are of one length, in a time that says nothing about where they differ. */
export function isSameToken(given: unknown, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(expected)) && expected !== '';
}
