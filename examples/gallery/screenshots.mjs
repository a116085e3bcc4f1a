// Pictures of the gallery's page for the README, taken of the real page: `node examples/gallery/screenshots.mjs [folder]`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { findChromiumFile } from '../../scripts/chromium.mjs';
import { root } from '../../scripts/prepare.mjs';

const folder = path.resolve(process.argv[2] ?? path.join(root, 'docs', 'images'));
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780 };

const demo = spawn(process.execPath, [path.join(root, 'scripts', 'demo.mjs')], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const browser = await chromium.launch({ executablePath: findChromiumFile(), args: ['--no-sandbox'] });
try {
  const url = await addressOf(demo);
  await mkdir(folder, { recursive: true });
  await shoot('search-light', url, { scheme: 'light', size: DESKTOP }, search);
  await shoot('photo-dark', url, { scheme: 'dark', size: DESKTOP }, openPhoto);
  await shoot('people-light', url, { scheme: 'light', size: DESKTOP }, (page) => openPeople(page));
  await shoot('queue-dark', url, { scheme: 'dark', size: DESKTOP }, openQueue);
  await shoot('search-phone', url, { scheme: 'dark', size: PHONE }, search);
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

async function search(page) {
  await page.getByRole('searchbox').fill('a cat on the beach');
  await page.locator('.distance').first().waitFor();
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
  await page.getByRole('link', { name: 'Queue', exact: true }).click();
  await page.locator('.depth').first().waitFor();
}
