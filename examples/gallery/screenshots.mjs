// Pictures of the gallery's page for the README, taken of the real page: `node examples/gallery/screenshots.mjs [folder]`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { findChromiumFile } from '../../scripts/chromium.mjs';
import { root } from '../../scripts/prepare.mjs';

const folder = path.resolve(process.argv[2] ?? path.join(root, 'docs', 'images'));
const DESKTOP = { width: 1280, height: 800 };

const demo = spawn(process.execPath, [path.join(root, 'scripts', 'demo.mjs')], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const browser = await chromium.launch({ executablePath: findChromiumFile(), args: ['--no-sandbox'] });
try {
  const url = await addressOf(demo);
  await mkdir(folder, { recursive: true });
  await shoot('search-light', url, { scheme: 'light', size: DESKTOP }, search);
  await namePeople(url);
  await shoot('photo-dark', url, { scheme: 'dark', size: DESKTOP }, openPhoto);
  await shoot('people-light', url, { scheme: 'light', size: DESKTOP }, (page) => openPeople(page));
  await shoot('queue-dark', url, { scheme: 'dark', size: DESKTOP }, openQueue);
} finally {
  await browser.close();
  demo.kill('SIGTERM');
  await once(demo, 'exit');
}

/** The page's address, once everything of the demo is processed. */
function addressOf(child) {
  let text = '';
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const [url] = /http:\/\/\S+#token=\S+/.exec(text) ?? [];
      if (url !== undefined && text.includes('Ctrl+C ends')) resolve(url);
    });
    child.stdout.on('end', () => reject(new Error(`The demo ended:\n${text}`)));
  });
}

async function shoot(name, url, { scheme, size }, act) {
  const context = await browser.newContext({
    viewport: size,
    colorScheme: scheme,
    deviceScaleFactor: 1.5,
    locale: 'en',
  });
  const page = await context.newPage();
  await page.goto(url);
  await page.locator('.tile img').first().waitFor();
  await act(page);
  await page.waitForLoadState('networkidle', { timeout: 3000 }).catch(() => undefined);
  await page.waitForTimeout(400);
  const picture = await sharp(await page.screenshot())
    .webp({ quality: 72 })
    .toBuffer();
  await writeFile(path.join(folder, `gallery-${name}.webp`), picture);
  console.log(`gallery-${name}.webp ${(picture.length / 1024).toFixed(0)} KB`);
  await context.close();
}

/** The photos that each is in alone say who it is. */
async function namePeople(url) {
  const [base, token] = url.split('/#token=');
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const people = await (await fetch(`${base}/api/people`, { headers })).json();
  for (const { id } of people) {
    const { photo_list: photos } = await (await fetch(`${base}/api/people/${id}`, { headers })).json();
    const alone = photos.map(({ name }) => /^([a-z]+)-in-the-/.exec(name)?.[1]).find((name) => name !== undefined);
    if (alone === undefined) continue;
    const name = alone.slice(0, 1).toUpperCase() + alone.slice(1);
    await fetch(`${base}/api/people/${id}`, { method: 'PATCH', headers, body: JSON.stringify({ name }) });
  }
}

async function search(page) {
  await page.getByRole('searchbox').fill('a cat on the beach');
  await page.locator('.distance').first().waitFor();
  await page.getByLabel('Largest distance').fill('0.85');
  await page.mouse.click(5, 300);
}

async function openPhoto(page) {
  await page.getByRole('link', { name: 'lina-mei-and-anna' }).click();
  await page.locator('.face').first().waitFor();
  await page.locator('.similar .tile').first().waitFor();
}

async function openPeople(page) {
  await page.getByRole('link', { name: 'People', exact: true }).click();
  await page.locator('.people img').first().waitFor();
}

async function openQueue(page) {
  // The first half of a photo: its job dies.
  const photo = await readFile(path.join(root, 'examples', 'demo-gallery', 'photos', 'a-dog-in-the-snow.jpg'));
  const buffer = photo.subarray(0, photo.length / 2);
  await page.locator('input[type=file]').setInputFiles({ name: 'broken.jpg', mimeType: 'image/jpeg', buffer });
  await page.locator('.tile .dot.failed').first().waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('link', { name: 'Queue', exact: true }).click();
  await page.locator('.letters li').first().waitFor();
}
