import { isIP } from 'node:net';

/** An address in brackets, or a name or address; and a port. */
const HOST = /^(?:\[([\da-f:.]+)\]|([^:@/[\]]+))(?::\d+)?$/i;

/**
 * Whether a service without a token may answer a request that names it so. A page of the internet can have its own name
 * resolve to this machine (DNS rebinding) and then ask from within a visitor's browser, which still sends that name. It
 * can have neither an address nor a name without a dot. `ownName`: what the service was told to listen on.
 */
export function isSafeHost(host: string | undefined, ownName: string): boolean {
  // Only HTTP/1.0 comes without, and no browser.
  if (host === undefined) return true;
  const [, address, name = ''] = HOST.exec(host) ?? [];
  if (address !== undefined) return isIP(address) === 6;
  return name !== '' && (isIP(name) === 4 || !name.includes('.') || name === ownName);
}

/** Whether nothing but this machine reaches an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}
