import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import axe, { type AxeResults } from 'axe-core';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findChromiumFile } from '../../scripts/chromium.mjs';
import { GALLERY_PHOTOS } from '../support/demo-people.js';
import { BACKENDS, GalleryLab, type LabUser } from '../support/gallery-lab.js';
import { plainEnvironment, runNode } from '../support/program.js';
import { until } from '../support/until.js';

const demoPhoto = (name: string): string => path.join(GALLERY_PHOTOS, `${name}.jpg`);
const CATS = ['a-cat-on-the-beach', 'a-cat-in-the-living-room', 'a-robot-in-the-kitchen', 'a-fox-in-the-library'];
const PEOPLE = ['anna-in-the-city', 'anna-and-mei-in-the-living-room', 'mei-in-the-snow'];

let browser: Browser;
beforeAll(async () => {
  const executablePath = findChromiumFile();
  if (executablePath === undefined)
    throw new Error('These tests need Chromium: install it, or name its command in CHROMIUM.');
  browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
});
afterAll(() => browser.close());

describe.each(BACKENDS)('the page of the gallery on %s', (backend) => {
  let lab: GalleryLab;
  beforeAll(async () => {
    lab = await GalleryLab.withRunner(backend);
  });
  afterAll(() => lab.close());

  let context: BrowserContext;
  const complaints: string[] = [];
  afterEach(async () => {
    await context.close();
    expect(complaints.splice(0)).toEqual([]);
  });

  /** Opens the page as a user, by the link of the server. */
  async function open(user: LabUser, settings: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    context = await browser.newContext({ locale: 'en', viewport: { width: 1200, height: 800 }, ...settings });
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(lab.url)) complaints.push(`request to ${request.url()}`);
    });
    await page.goto(`${lab.url}/#token=${user.token}`);
    const search = page.getByRole('searchbox');
    await search.waitFor({ timeout: 10_000 }).catch(async () => {
      // Where another test brings up a network of its own the browser drops what it is loading.
      if (!complaints.some((text) => text.includes('ERR_NETWORK_CHANGED'))) return search.waitFor();
      complaints.length = 0;
      await page.reload();
      return search.waitFor();
    });
    return page;
  }

  const choose = (page: Page, names: readonly string[]): Promise<void> =>
    page.locator('input[type=file]').setInputFiles(names.map(demoPhoto));
  const processed = async (page: Page, count: number): Promise<void> => {
    await until(`${count} photos are processed`, async () => {
      const tiles = await page.locator('.tile').count();
      return tiles === count && (await page.locator('.tile .progress').count()) === 0;
    });
  };
  const names = (page: Page): Promise<string[]> =>
    page.evaluate<string[]>("[...document.querySelectorAll('.tile img')].map((image) => image.alt)");

  it('takes photos, shows how each is processed, and finds them by a sentence', async () => {
    const ann = await lab.user('ann');
    const page = await open(ann);
    expect(page.url()).toBe(`${lab.url}/`);
    await choose(page, CATS);
    await page.locator('.tray .dot').first().waitFor();
    await processed(page, CATS.length);
    await page.getByRole('searchbox').pressSequentially('a cat on the beach');
    await page.locator('.distance').first().waitFor();
    expect((await names(page))[0]).toBe('a-cat-on-the-beach.jpg');
    // Only what is near enough stays.
    const nearest = Number(await page.locator('.distance').first().textContent());
    await page.getByLabel('Largest distance').fill((nearest + 0.02).toFixed(2));
    await until('one photo is left', async () => (await page.locator('.tile').count()) === 1);
    expect(await page.locator('.said').textContent()).toContain('1 of 4 photos');
    await page.getByRole('searchbox').fill('');
    await until('all photos are back', async () => (await page.locator('.tile').count()) === 4);
    // Pinyin that is being composed is no query; what is chosen at last is.
    const asked: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/api/search/text')) asked.push((request.postDataJSON() as { query: string }).query);
    });
    await page.getByRole('searchbox').focus();
    const input = await context.newCDPSession(page);
    await input.send('Input.imeSetComposition', { text: 'mao', selectionStart: 3, selectionEnd: 3 });
    await page.waitForTimeout(400);
    await input.send('Input.insertText', { text: '猫' });
    await until('it is asked for', () => asked.length > 0);
    expect(asked).toEqual(['猫']);
  });

  it('shows the newest state of a photo, in whatever order answers and events come', async () => {
    const page = await open(await lab.user('joe'));
    // The answer to the upload is held back until events have told the page that the photo is ready.
    const protocol = await context.newCDPSession(page);
    const patterns = [{ urlPattern: '*/api/photos?name=*', requestStage: 'Response' as const }];
    await protocol.send('Fetch.enable', { patterns });
    const answered = new Promise<string>((resolve) =>
      protocol.on('Fetch.requestPaused', ({ requestId }) => resolve(requestId)),
    );
    await choose(page, ['a-cat-on-the-beach']);
    const requestId = await answered;
    const { body, base64Encoded } = await protocol.send('Fetch.getResponseBody', { requestId });
    expect(Buffer.from(body, base64Encoded ? 'base64' : 'utf8').toString()).toMatch(/"state":"(waiting|running)"/);
    await processed(page, 1);
    await protocol.send('Fetch.continueRequest', { requestId });
    await page.locator('.tray .dot').first().waitFor();
    await processed(page, 1);
    expect(await page.locator('.tray .dot:not(.done)').count()).toBe(0);
  });

  it('searches again where the network has failed', async () => {
    const page = await open(await lab.user('ann'));
    const address = '**/api/search/text';
    let failures = 0;
    await page.route(address, (route) => {
      failures += 1;
      return failures === 1 ? route.abort('internetdisconnected') : route.continue();
    });
    await page.getByRole('searchbox').fill('a fox in the library');
    await page.locator('.distance').first().waitFor();
    expect(failures).toBe(2);
    expect(complaints.splice(0)).toEqual([expect.stringContaining('ERR_INTERNET_DISCONNECTED')]);
  });

  it('is searched by the command, too', async () => {
    const ann = await lab.user('ann');
    const args = ['dist/cli.js', 'search', 'a robot in the kitchen', '--text', '--limit', '1', '--json'];
    const env = plainEnvironment({ API_BASE_URL: lab.url, ACCESS_TOKEN: ann.token });
    const { ended, stdout } = await runNode(args, { env });
    expect(ended).toBe(0);
    const [hit] = JSON.parse(stdout) as readonly { readonly id: number }[];
    expect((await ann.call(`/api/photos/${hit!.id}`)).body).toMatchObject({ name: 'a-robot-in-the-kitchen.jpg' });
    context = await browser.newContext();
  });

  it('weighs captions against pictures', async () => {
    const ann = await lab.user('ann');
    const listed = (await ann.call('/api/photos')).body as readonly { id: number; name: string }[];
    const robot = listed.find(({ name }) => name.includes('robot'))!;
    const page = await open(ann);
    await page.getByRole('searchbox').fill('a fox in the library');
    await page.locator('.distance').first().waitFor();
    expect((await names(page))[0]).toContain('fox');
    expect(await page.getByLabel('Caption weight').isVisible()).toBe(false);
    // As if a captioner had taken the robot for a fox: its caption is the query itself.
    const [{ embedding } = { embedding: '' }] = await lab.database.query<{ embedding: string }>(
      "SELECT embedding::text AS embedding FROM text_queries WHERE query = 'a fox in the library'",
    );
    const body = { model: 'demo', modality: 'caption', embedding: JSON.parse(embedding) as number[] };
    await lab.callback(`/photos/${robot.id}/ml_result`, {
      ...body,
      ml_result: { caption: 'a <b>fox</b> in the library' },
    });
    await page.reload();
    await page.getByRole('searchbox').fill('a fox in the library');
    await page.getByLabel('Caption weight').fill('1');
    await until('the caption decides', async () => (await names(page))[0] === 'a <b>fox</b> in the library');
    await page.getByLabel('Caption weight').fill('0');
    await until('the picture decides', async () => (await names(page))[0] === 'a-fox-in-the-library.jpg');
  });

  it('shows a photo with its faces, and photos like it, by keyboard', async () => {
    const mia = await lab.user('mia');
    const page = await open(mia);
    await choose(page, PEOPLE);
    await processed(page, PEOPLE.length);
    await page.getByRole('link', { name: 'anna-and-mei' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('.face').nth(1).waitFor();
    expect(await page.locator('dialog .tasks li').count()).toBe(3);
    await page.locator('.similar .tile').first().waitFor();
    // The box lies where the face is: in the left half, below the middle.
    const corner = await page.evaluate<readonly [number, number]>(`(() => {
      const [frame, face] = ['.frame', '.face'].map((part) => document.querySelector(part).getBoundingClientRect());
      return [(face.x - frame.x) / frame.width, (face.y - frame.y) / frame.height];
    })()`);
    expect(corner[0]).toBeCloseTo(84 / 640, 1);
    expect(corner[1]).toBeCloseTo(217 / 480, 1);
    const address = page.url();
    await page.keyboard.press((await page.locator('.next').isEnabled()) ? 'ArrowRight' : 'ArrowLeft');
    await until('another photo is shown', () => page.url() !== address);
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
    expect(page.url()).toBe(`${lab.url}/#/`);
  });

  it('puts people together, and keeps the names that they are given', async () => {
    const mia = await lab.user('mia');
    const page = await open(mia);
    await page.getByRole('link', { name: 'People', exact: true }).click();
    await page.locator('.people li').nth(1).waitFor();
    expect(await page.locator('.people li').count()).toBe(2);
    await page.locator('.people a').first().click();
    await page.locator('.grid .tile').nth(1).waitFor();
    const first = (await names(page)).sort();
    const name = first.every((photo) => photo.includes('anna')) ? 'Anna' : 'Mei';
    await page.getByLabel('Name').fill(name);
    await page.keyboard.press('Enter');
    await page.getByText('The name is saved.').waitFor();
    // One more photo of her: grouping again keeps her name.
    await page.getByRole('link', { name: 'Photos', exact: true }).click();
    await choose(page, [`lina-mei-and-anna-on-the-beach-at-night`]);
    await processed(page, PEOPLE.length + 1);
    await page.getByRole('link', { name: 'People', exact: true }).click();
    await page.locator('.people a', { hasText: name }).getByText('3 photos').waitFor();
  });

  it('shows dead letters with their reason, and puts one back', async () => {
    const kim = await lab.user('kim');
    const page = await open(kim);
    const whole = await readFile(demoPhoto('a-dog-in-the-snow'));
    await page.locator('input[type=file]').setInputFiles({
      name: '<img src=x onerror=alert(1)>.jpg',
      mimeType: 'image/jpeg',
      buffer: whole.subarray(0, 4000),
    });
    await page.locator('.tile .dot.failed').first().waitFor();
    await page.getByRole('link', { name: 'Queue', exact: true }).click();
    const letter = page.locator('.letters li');
    await letter.waitFor();
    expect(await letter.locator('.reason').textContent()).toBe('decode');
    expect(await letter.locator('a').textContent()).toBe('<img src=x onerror=alert(1)>.jpg');
    expect(await page.locator('[data-kind=photos] [data-place=dead] dd').textContent()).toBe('1');
    const [photo] = (await kim.call('/api/photos')).body as readonly { url: string }[];
    // Another user sees no letter of hers, and puts none back.
    const ann = await lab.user('ann');
    expect((await ann.call('/api/queue')).body).toMatchObject({ dead: [] });
    expect((await ann.call('/api/queue/redrive', { body: {} })).body).toEqual({ redriven: 0 });
    await writeFile(lab.fileOf(photo!.url), whole);
    await letter.getByRole('button').click();
    await page.getByText('None. A job').waitFor();
    await until('it is processed', async () => {
      const [now] = (await kim.call('/api/photos')).body as readonly {
        tasks: readonly { task: string; state: string }[];
      }[];
      return now!.tasks.every(({ task, state }) => task === 'thumbnail' || state === 'done');
    });
  });

  it.each(['light', 'dark'] as const)('has no fault that keeps people out, %s', async (colorScheme) => {
    const mia = await lab.user('mia');
    const page = await open(mia, { colorScheme });
    const faults: string[] = [];
    const check = async (view: string): Promise<void> => {
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate<AxeResults>('axe.run()');
      for (const { id, impact, nodes } of violations)
        if (impact === 'serious' || impact === 'critical') faults.push(`${view}: ${id} ${nodes[0]!.html}`);
    };
    await page.getByRole('searchbox').fill('a person');
    await page.locator('.distance').first().waitFor();
    await check('photos');
    await page.locator('.tile').first().click();
    await page.locator('.similar .tile').first().waitFor();
    await check('photo');
    for (const view of ['people', 'queue']) {
      await page.goto(`${lab.url}/#/${view}`);
      await page
        .locator(view === 'people' ? '.people li' : '.depth')
        .first()
        .waitFor();
      await check(view);
    }
    await page.locator('.top').getByRole('link', { name: 'People' }).click();
    await page.locator('.people a').first().click();
    await page.locator('.grid .tile').first().waitFor();
    await check('person');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.locator('.sign-in').waitFor();
    await check('sign in');
    expect(faults).toEqual([]);
  });

  it('fits a phone', async () => {
    const mia = await lab.user('mia');
    const page = await open(mia, { viewport: { width: 360, height: 700 }, isMobile: true, hasTouch: true });
    const fits = () => page.evaluate<boolean>('document.documentElement.scrollWidth <= 360');
    await page.getByRole('searchbox').fill('a person');
    await page.locator('.distance').first().waitFor();
    expect(await fits()).toBe(true);
    await page.locator('.tile').first().click();
    await page.locator('.similar .tile').first().waitFor();
    expect(await page.evaluate<boolean>("document.querySelector('dialog').scrollWidth <= 360")).toBe(true);
    for (const view of ['people', 'queue']) {
      await page.goto(`${lab.url}/#/${view}`);
      await page
        .locator(view === 'people' ? '.people li' : '.depth')
        .first()
        .waitFor();
      expect(await fits(), view).toBe(true);
    }
  });

  it('speaks Chinese', async () => {
    const page = await open(await lab.user('mia'), { locale: 'zh-CN' });
    expect(await page.getByRole('navigation').textContent()).toBe('照片人物队列');
    expect(await page.evaluate('document.documentElement.lang')).toBe('zh-CN');
    await page.getByRole('button', { name: 'English' }).click();
    expect(await page.getByRole('navigation').textContent()).toBe('PhotosPeopleQueue');
  });
});

describe('the words of the page', () => {
  it('are there in both languages', async () => {
    const source = readFileSync('examples/gallery/page/words.js', 'utf8');
    const table = /const WORDS = (\{[\s\S]*?\n\});/.exec(source)![1]!;
    const address = `data:text/javascript,export default ${encodeURIComponent(table)}`;
    const { default: words } = (await import(address)) as { readonly default: Readonly<Record<string, object>> };
    const { en, zh } = words;
    const keys = (words: object): string[] =>
      Object.entries(words).flatMap(([key, value]) =>
        typeof value === 'object' ? keys(value as object).map((inner) => `${key}.${inner}`) : [key],
      );
    expect(keys(zh!)).toEqual(keys(en!));
  });
});
