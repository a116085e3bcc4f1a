import { readFile, stat, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Browser, type BrowserPage, type PageSettings } from '../support/browser.js';
import { cell, markedPicture } from '../support/marked-picture.js';
import { listed, PeopleGallery, PEOPLE, urlOf, type Scenes } from '../support/people-gallery.js';
import { startScriptedServer } from '../support/scripted-server.js';

const SCENES: Scenes = { 1: ['ann'], 2: ['ann', 'bob'], 3: ['bob'], 4: ['cat'], 5: ['ann'] };

let browser: Browser;
let gallery: PeopleGallery;

beforeAll(async () => {
  browser = await Browser.start();
});
afterAll(() => browser.close());
beforeEach(async () => {
  gallery = await PeopleGallery.create();
  await gallery.draw(SCENES);
});
afterEach(() => gallery.close());

async function open(settings?: PageSettings): Promise<BrowserPage> {
  return browser.open(pathToFileURL(gallery.path('people.html')).href, settings);
}

/** Width, height and the colour in the middle of each picture of the page. */
const PICTURES = `Promise.all([...document.images].map(async (image) => {
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  return [image.naturalWidth, ...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data.slice(0, 3)];
}))`;

async function pictures(page: BrowserPage): Promise<readonly (readonly number[])[]> {
  return (await page.evaluate(PICTURES)) as number[][];
}

describe('the page of people', () => {
  it('shows the face of each person in each photo, and asks nobody for anything', async () => {
    const server = await gallery.serve({ photos: listed([1, 2, 3, 4, 5]) });
    expect((await gallery.run(server, ['--dry-run', '--report', 'people.html'])).code).toBe(0);
    const page = await open();
    const shown = await pictures(page);
    expect(shown).toHaveLength(5);
    for (const [side, red, green, blue] of shown) {
      // The face fills the middle of its picture; the photo around it is grey.
      expect(side).toBe(144);
      expect([red! > 200, green! < 90, blue! < 90]).toEqual([true, true, true]);
    }
    expect(
      await page.evaluate("[...document.querySelectorAll('section')].map((section) => section.innerText)"),
    ).toEqual([
      expect.stringMatching(/^人物簇#\d\s+No album yet\.\s+3 faces in 3 photos · mean similarity 1\.00\s+5\s+2\s+1$/),
      expect.stringMatching(/^人物簇#\d\s+No album yet\.\s+2 faces in 2 photos · mean similarity 1\.00\s+3\s+2$/),
    ]);
    expect(await page.evaluate('document.body.innerText')).toContain('5 of 5 photos: 6 faces');
    expect(page.complaints).toEqual([]);
    expect((await stat(gallery.path('people.html'))).mode & 0o077).toBe(0);
  });

  it.each(['light', 'dark'] as const)('fits a phone and can be read, %s', async (scheme) => {
    const ids = Array.from({ length: 12 }, (_, place) => place + 1);
    await gallery.draw(Object.fromEntries(ids.map((id) => [id, ['ann']])));
    const server = await gallery.serve({ photos: listed(ids) });
    await gallery.run(server, ['--dry-run', '--report', 'people.html']);
    const page = await open({ width: 360, scheme });
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth && innerWidth === 360')).toBe(true);
    const isSquare =
      'document.images.length === 12 && [...document.images].every((image) => image.width === image.height)';
    expect(await page.evaluate(isSquare)).toBe(true);
    const style = (await page.evaluate(
      '(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.body))',
    )) as string[];
    const [text = 0, ground = 0] = style.map((color) => Number(/\d+/.exec(color)?.[0]));
    expect(scheme === 'light' ? ground - text : text - ground).toBeGreaterThan(150);
    expect(page.complaints).toEqual([]);
  });

  it('cuts faces out of photos as a person sees them', async () => {
    // Turned by a quarter in the file, with a tag that turns it back: cut where it is stored, there would be grey.
    for (const id of [6, 7]) {
      const upright = await markedPicture([cell(id, 2, PEOPLE.dan)]);
      const turned = await sharp(upright).rotate(90).withMetadata({ orientation: 8 }).png().toBuffer();
      await writeFile(gallery.path(urlOf(id)), turned);
    }
    const server = await gallery.serve({ photos: listed([6, 7]) });
    await gallery.run(server, ['--dry-run', '--report', 'people.html']);
    const page = await open();
    const shown = await pictures(page);
    expect(shown).toHaveLength(2);
    for (const [, red, green] of shown) expect(red! - green!).toBeGreaterThan(120);
  });

  it('says what changed about albums that are there', async () => {
    const server = await gallery.serve({ photos: listed([1, 2, 3]) });
    await gallery.run(server, ['--cache', 'cache']);
    server.photos = listed([1, 2, 3, 5]);
    await gallery.run(server, ['--report', 'people.html']);
    const page = await open();
    expect(await page.evaluate('document.body.innerText')).toContain('Album: there already; add 1 photos by hand: 5.');
    expect(page.complaints).toEqual([]);
  });

  it('asks a server for nothing but itself, and has no complaints there', async () => {
    const server = await gallery.serve({ photos: listed([1, 2, 3]) });
    await gallery.run(server, ['--dry-run', '--report', 'people.html']);
    const body = await readFile(gallery.path('people.html'), 'utf8');
    const host = await startScriptedServer({
      script: ({ path }) =>
        path === '/people.html' ? { status: 200, headers: { 'content-type': 'text/html' }, body } : { status: 404 },
    });
    try {
      const page = await browser.open(`${host.url}/people.html`);
      expect(await pictures(page)).toHaveLength(4);
      expect(page.complaints, 'but for the page itself').toEqual([`request to ${host.url}/people.html`]);
      expect(host.requests.map(({ path }) => path)).toEqual(['/people.html']);
      // A headless browser does not ask for an icon by itself.
      expect(await page.evaluate("document.querySelector('link[rel=icon]').href")).toBe('data:,');
    } finally {
      await host.close();
    }
  });

  it('would not run a script, nor fetch a picture', async () => {
    const server = await gallery.serve({ photos: listed([1, 2, 3]) });
    await gallery.run(server, ['--dry-run', '--report', 'people.html']);
    const file = gallery.path('people.html');
    const html = await readFile(file, 'utf8');
    const intruder = `<script>document.title = 'taken over'</script><img src="${server.url}/x.png">`;
    await writeFile(file, html.replace('<main>', `<main>${intruder}`));
    const asked = server.requests.length;
    const page = await open();
    expect(await page.evaluate('document.title')).toBe('People');
    expect(page.complaints.join('\n')).toContain('Content Security Policy');
    expect(server.requests).toHaveLength(asked);
  });
});
