import { createHash } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A hub on this machine that speaks the protocol of huggingface.co as far as clients that download models use it:
 * `/api/models/<repo>/revision/<rev>`, `/api/models/<repo>/tree/<rev>` (paged), `/api/models/<repo>/paths-info/<rev>` and
 * `/<repo>/resolve/<rev>/<file>` (HEAD, GET, Range). Large files are redirected (302) to a second host, the content
 * network; small ones by a relative 307 to `/api/resolve-cache/…`, as the hub does. Faults can be ordered.
 */
export interface HubServer {
  readonly url: string;
  readonly cdnUrl: string;
  /** Every request, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Adds a repository, or gives it a new commit. */
  put(repository: string, files: Readonly<Record<string, Uint8Array>>, settings?: RepositorySettings): HubRepository;
  /** Orders a fault for requests whose URL holds `match`; the first that fits is used, `times` times. */
  fault(fault: Fault): void;
  close(): Promise<void>;
}

interface RepositorySettings {
  /** Answer 401 or 403 without this token. */
  readonly token?: string;
  readonly gated?: boolean;
  /** Links to further pages name this origin, as those of some mirrors do. */
  readonly linkOrigin?: string;
}

export interface HubRepository {
  readonly commit: string;
  readonly files: ReadonlyMap<string, HubFile>;
}

interface HubFile {
  readonly bytes: Uint8Array;
  readonly isLarge: boolean;
  /** SHA-256 for large files, else the SHA-1 of the git blob. */
  readonly hash: string;
}

interface RecordedRequest {
  readonly host: 'hub' | 'cdn';
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

interface Fault {
  readonly match: string;
  readonly host?: 'hub' | 'cdn';
  /** @default 1 */
  readonly times?: number;
  readonly kind:
    /** `when`: what the client must have done first; 20 ms where it is left out. */
    | { readonly do: 'drop'; readonly afterBytes: number; readonly when?: () => Promise<void> }
    | { readonly do: 'corrupt' }
    | { readonly do: 'lengthen' }
    | { readonly do: 'shorten' }
    /** Without telling the length beforehand. */
    | { readonly do: 'send-more' }
    | { readonly do: 'send-less'; readonly bytes: number }
    | { readonly do: 'ignore-range' }
    | { readonly do: 'stall'; readonly afterBytes: number }
    | { readonly do: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> };
}

interface OrderedFault {
  readonly fault: Fault;
  left: number;
}

interface StoredRepository extends HubRepository {
  readonly settings: RepositorySettings;
  /** The commits before this one. */
  readonly older: readonly StoredRepository[];
}

/** Files from this size on are "LFS files". */
const LARGE_BYTES = 16 * 1024;
const PAGE = 4;

export async function startHubServer(): Promise<HubServer> {
  const repositories = new Map<string, StoredRepository>();
  const requests: RecordedRequest[] = [];
  const faults: OrderedFault[] = [];
  const closing = new AbortController();

  function takeFault(host: 'hub' | 'cdn', url: string): Fault | undefined {
    const found = faults.find(
      ({ fault, left }) => left > 0 && url.includes(fault.match) && (fault.host ?? host) === host,
    );
    if (found !== undefined) found.left -= 1;
    return found?.fault;
  }

  const listen = async (host: 'hub' | 'cdn', answer: (asked: Asked) => Promise<Answer> | Answer): Promise<Server> => {
    const server = createServer((request, response) => {
      const url = request.url ?? '';
      requests.push({ host, method: request.method ?? '', url, headers: request.headers });
      const kind = takeFault(host, url)?.kind;
      if (kind?.do === 'status') return void response.writeHead(kind.status, kind.headers ?? {}).end();
      void Promise.resolve(answer({ request, url: new URL(url, 'http://hub'), kind }))
        .then((content) => send(content, { request, response, kind, closing: closing.signal }))
        .catch((error: unknown) => response.destroy(error as Error));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  };

  const cdn = await listen('cdn', (asked) => {
    const hash = asked.url.pathname.slice('/blobs/'.length);
    const file = [...repositories.values()]
      .flatMap((newest) => [newest, ...newest.older])
      .flatMap(({ files }) => [...files.values()])
      .find((known) => known.hash === hash);
    // A signed address that has run out.
    if (file === undefined || asked.url.searchParams.get('signature') !== 'good') return { status: 403 };
    return contentAnswer(asked, file, { etag: `"${hash}"` });
  });
  const cdnUrl = addressOf(cdn);
  const hub = await listen('hub', (asked) => answerHub(asked, repositories, cdnUrl));

  return {
    url: addressOf(hub),
    cdnUrl,
    requests,
    put(repository, files, settings = {}) {
      const former = repositories.get(repository);
      const older = former === undefined ? [] : [former, ...former.older];
      const stored = { ...storeFiles(files), settings, older };
      repositories.set(repository, stored);
      return stored;
    },
    fault: (fault) => void faults.push({ fault, left: fault.times ?? 1 }),
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      for (const server of [hub, cdn]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

type FaultKind = Fault['kind'];

interface Asked {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly kind: FaultKind | undefined;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

const ROUTES = [
  /^\/api\/models\/(?<repository>[^/]+\/[^/]+)\/(?<verb>revision|tree|paths-info)\/(?<revision>[^/]+)$/,
  /^\/api\/(?<verb>resolve-cache)\/models\/(?<repository>[^/]+\/[^/]+)\/(?<revision>[^/]+)\/(?<file>.+)$/,
  /^\/(?<repository>[^/]+\/[^/]+)\/(?<verb>resolve)\/(?<revision>[^/]+)\/(?<file>.+)$/,
];

async function answerHub(
  asked: Asked,
  repositories: ReadonlyMap<string, StoredRepository>,
  cdnUrl: string,
): Promise<Answer> {
  const path = decodeURIComponent(asked.url.pathname);
  const groups = ROUTES.map((route) => route.exec(path)?.groups).find((found) => found !== undefined);
  const { repository = '', verb = '', revision = '', file = '' } = groups ?? {};
  const newest = repositories.get(repository);
  // The hub doesn't tell strangers which repositories exist.
  if (newest === undefined) return { status: 401, headers: { 'x-error-code': 'RepoNotFound' } };
  const refusal = refuse(asked.request, newest, verb);
  if (refusal !== undefined) return refusal;
  const stored = [newest, ...newest.older].find(({ commit }, at) =>
    revision === 'main' ? at === 0 : commit === revision,
  );
  if (stored === undefined) return { status: 404, headers: { 'x-error-code': 'RevisionNotFound' } };
  if (verb === 'resolve' || verb === 'resolve-cache')
    return fileAnswer(asked, stored, { verb, repository, file, cdnUrl });
  if (verb === 'tree') return treeAnswer(asked, stored);
  return verb === 'revision' ? revisionAnswer(repository, stored) : pathsAnswer(asked, stored);
}

/** Gated repositories may be looked at, but not read; private ones are as if they weren't there. */
function refuse({ headers }: IncomingMessage, { settings }: StoredRepository, verb: string): Answer | undefined {
  if (settings.token === undefined || headers.authorization === `Bearer ${settings.token}`) return undefined;
  if (settings.gated !== true) return { status: 401, headers: { 'x-error-code': 'RepoNotFound' } };
  return verb.startsWith('resolve') ? { status: 401, headers: { 'x-error-code': 'GatedRepo' } } : undefined;
}

function revisionAnswer(repository: string, { commit, files }: StoredRepository): Answer {
  const siblings = [...files.keys()].map((rfilename) => ({ rfilename }));
  return jsonAnswer({ _id: commit.slice(0, 24), id: repository, modelId: repository, sha: commit, siblings, tags: [] });
}

async function pathsAnswer({ request }: Asked, { files }: StoredRepository): Promise<Answer> {
  const { paths } = JSON.parse(await readText(request)) as { paths: readonly string[] };
  return jsonAnswer(paths.flatMap((name) => entryOf(name, files.get(name))));
}

interface FileRequest {
  readonly verb: string;
  readonly repository: string;
  readonly file: string;
  readonly cdnUrl: string;
}

/** Files are redirected: large ones to the content network, small ones to another address of the hub. */
function fileAnswer(
  asked: Asked,
  { commit, files }: StoredRepository,
  { verb, repository, file, cdnUrl }: FileRequest,
): Answer {
  const found = files.get(file);
  const headers = { 'x-repo-commit': commit };
  if (found === undefined) return { status: 404, headers: { ...headers, 'x-error-code': 'EntryNotFound' } };
  const { hash, bytes, isLarge } = found;
  if (verb === 'resolve-cache') return contentAnswer(asked, found, { ...headers, etag: `"${hash}"` });
  const linked = { ...headers, 'x-linked-etag': `"${hash}"`, 'x-linked-size': String(bytes.byteLength) };
  if (!isLarge)
    return {
      status: 307,
      headers: { ...linked, location: `/api/resolve-cache/models/${repository}/${commit}/${file}` },
    };
  return {
    status: 302,
    headers: { ...linked, location: `${cdnUrl}/blobs/${hash}?signature=good`, etag: '"of-the-redirect"' },
  };
}

function contentAnswer({ request, kind }: Asked, file: HubFile, headers: Readonly<Record<string, string>>): Answer {
  const bytes = spoil(file.bytes, kind);
  const range = kind?.do === 'ignore-range' ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (range === null) return { status: 200, headers: { ...headers, 'accept-ranges': 'bytes' }, body: bytes };
  const start = Number(range[1]);
  if (start >= bytes.length) return { status: 416, headers: { 'content-range': `bytes */${bytes.length}` } };
  const body = bytes.subarray(start, range[2] === '' ? undefined : Number(range[2]) + 1);
  const contentRange = `bytes ${start}-${start + body.length - 1}/${bytes.length}`;
  return { status: 206, headers: { ...headers, 'content-range': contentRange }, body };
}

function spoil(bytes: Uint8Array, kind: FaultKind | undefined): Buffer {
  const spoilt = Buffer.from(bytes);
  if (kind?.do === 'corrupt') spoilt.writeUInt8(spoilt.readUInt8(spoilt.length >> 1) ^ 0xff, spoilt.length >> 1);
  if (kind?.do === 'shorten') return spoilt.subarray(0, -4);
  return kind?.do === 'lengthen' ? Buffer.concat([spoilt, Buffer.from('more')]) : spoilt;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly kind: FaultKind | undefined;
  readonly closing: AbortSignal;
}

async function send({ status, headers = {}, body }: Answer, exchange: Exchange): Promise<void> {
  const { request, response, kind } = exchange;
  if (body !== undefined && (kind?.do === 'send-more' || kind?.do === 'send-less')) {
    const sent = kind.do === 'send-less' ? body.subarray(0, kind.bytes) : Buffer.concat([body, Buffer.from('more')]);
    // Written before the end, so that Node.js doesn't know the length either.
    response.writeHead(status, headers).write(sent);
    response.end();
    return;
  }
  response.writeHead(status, body === undefined ? headers : { ...headers, 'content-length': body.byteLength });
  if (request.method === 'HEAD' || body === undefined) response.end();
  else await sendBody(body, exchange);
}

async function sendBody(body: Uint8Array, { response, kind, closing }: Exchange): Promise<void> {
  if (kind?.do !== 'drop' && kind?.do !== 'stall') {
    response.end(body);
    return;
  }
  await new Promise((resolve) => response.write(body.subarray(0, kind.afterBytes), resolve));
  // The client must have what was written before the connection goes.
  if (kind.do === 'drop') await (kind.when?.() ?? delay(20));
  else await new Promise((resolve) => closing.addEventListener('abort', resolve, { once: true }));
  response.destroy();
}

function treeAnswer({ request, url }: Asked, { files, commit, settings }: StoredRepository): Answer {
  const start = Number(url.searchParams.get('cursor') ?? 0);
  const folders = new Set(
    [...files.keys()].filter((path) => path.includes('/')).map((path) => path.slice(0, path.indexOf('/'))),
  );
  const entries: unknown[] = [
    ...[...folders].map((path) => ({ type: 'directory', path, size: 0, oid: gitHash(Buffer.from(path)) })),
    ...[...files].flatMap(([path, file]) => entryOf(path, file)),
  ];
  const next = new URL(`${url.pathname}${url.search}`, settings.linkOrigin ?? `http://${request.headers.host ?? ''}`);
  next.searchParams.set('cursor', String(start + PAGE));
  const link = start + PAGE < entries.length ? { link: `<${next.href}>; rel="next"` } : {};
  return jsonAnswer(entries.slice(start, start + PAGE), { ...link, 'x-repo-commit': commit });
}

function entryOf(path: string, file: HubFile | undefined): readonly unknown[] {
  if (file === undefined) return [];
  const size = file.bytes.byteLength;
  if (!file.isLarge) return [{ type: 'file', path, size, oid: file.hash }];
  const pointer = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${file.hash}\nsize ${size}\n`);
  return [
    { type: 'file', path, size, oid: gitHash(pointer), lfs: { oid: file.hash, size, pointerSize: pointer.length } },
  ];
}

function storeFiles(contents: Readonly<Record<string, Uint8Array>>): HubRepository {
  const files = new Map<string, HubFile>();
  const commit = createHash('sha1');
  for (const [path, bytes] of Object.entries(contents)) {
    const isLarge = bytes.byteLength >= LARGE_BYTES;
    const hash = isLarge ? createHash('sha256').update(bytes).digest('hex') : gitHash(bytes);
    files.set(path, { bytes, isLarge, hash });
    commit.update(`${path} ${hash}\n`);
  }
  return { commit: commit.digest('hex'), files };
}

function gitHash(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.byteLength}\0`).update(bytes).digest('hex');
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function jsonAnswer(value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
