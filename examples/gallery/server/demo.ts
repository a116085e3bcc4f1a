// `npm run demo`: the gallery with the demo's photos and small models, and a runner, all in this process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startDemo } from './demo/start.js';
import { tellWhatIsThere } from './demo/tour.js';

const { values } = parseArgs({
  options: {
    photos: { type: 'string' },
    model: { type: 'string' },
    faces: { type: 'string' },
    ask: { type: 'string', multiple: true, default: [] },
    port: { type: 'string', default: '0' },
    /** Opens the page in the browser. */
    open: { type: 'boolean', default: false },
    /** Ends when everything was shown once, instead of serving the page until told to stop. */
    exit: { type: 'boolean', default: false },
  },
});

const stop = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
const startedAt = Number(process.env['DEMO_STARTED_AT'] ?? Date.now() - performance.now());
const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-gallery-'));
try {
  const demo = await startDemo({
    folder,
    photos: values.photos ?? '',
    model: values.model ?? '',
    faces: values.faces ?? '',
    port: Number(values.port),
    env: process.env,
  });
  try {
    print(
      `The page is ready, ${((Date.now() - startedAt) / 1000).toFixed(1)} s after the start:\n\n  ${demo.pageUrl}\n`,
    );
    if (values.open) openInBrowser(demo.pageUrl);
    const stopping = new AbortController();
    void stop.then(() => stopping.abort());
    const outcome = await demo.fill(stopping.signal);
    if (!stopping.signal.aborted) {
      const code = await tellWhatIsThere(demo, outcome, values.ask, print);
      if (values.exit) process.exitCode = code;
      else {
        print('\nOpen the page above, type a sentence, drop in a photo of your own. Ctrl+C ends.');
        await stop;
      }
    }
  } finally {
    await demo.stop();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Where there is no browser nothing happens: the address was printed. */
function openInBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '', url]
        : ['xdg-open', url];
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
