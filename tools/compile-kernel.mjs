// Compiles a kernel.as with AssemblyScript and writes the binary into the source tree as base64.
// The compiler is fetched for the occasion and is no dependency.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const COMPILER = 'assemblyscript@0.28.20';
const root = fileURLToPath(new URL('..', import.meta.url));

/** `name`: the folder of tools/ that has the kernel.as; `target`: the module to write, seen from the root. */
export function compileKernel(name, target) {
  const source = path.join(root, 'tools', name, 'kernel.as');
  const folder = mkdtempSync(path.join(tmpdir(), `${name}-`));
  try {
    // The compiler takes no other extension than .ts, which our own type check would stumble over.
    const input = path.join(folder, 'kernel.ts');
    const output = path.join(folder, 'kernel.wasm');
    copyFileSync(source, input);
    const flags = ['--enable', 'simd', '-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory'];
    execFileSync('npx', ['--yes', '--package', COMPILER, 'asc', input, '-o', output, ...flags], { stdio: 'inherit' });
    const sha256 = createHash('sha256').update(readFileSync(source)).digest('hex');
    const lines = readFileSync(output)
      .toString('base64')
      .match(/.{1,100}/g);
    writeFileSync(
      path.join(root, target),
      [
        `// Written by tools/${name}/build.mjs from kernel.as; do not edit.`,
        '',
        '/** SHA-256 of the kernel.as that was compiled; a test compares it with the file. */',
        `export const KERNEL_SOURCE_SHA256 = '${sha256}';`,
        '',
        '/** The WebAssembly module, base64. */',
        'export const KERNEL_BASE64 =',
        `${lines.map((line) => `  '${line}'`).join(' +\n')};`,
        '',
      ].join('\n'),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
