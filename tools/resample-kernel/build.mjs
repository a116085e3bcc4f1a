// Compiles kernel.as with AssemblyScript and writes the binary into the source tree as base64.
// Needed only after a change of kernel.as; the compiler is fetched for that occasion and is no dependency.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMPILER = 'assemblyscript@0.28.20';
const source = fileURLToPath(new URL('kernel.as', import.meta.url));
const target = fileURLToPath(new URL('../../src/tasks/image/resample-kernel-binary.ts', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'resample-kernel-'));
try {
  // The compiler takes no other extension than .ts, which our own type check would stumble over.
  const input = join(folder, 'kernel.ts');
  const output = join(folder, 'kernel.wasm');
  copyFileSync(source, input);
  const flags = ['--enable', 'simd', '-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory'];
  execFileSync('npx', ['--yes', '--package', COMPILER, 'asc', input, '-o', output, ...flags], { stdio: 'inherit' });
  const sha256 = createHash('sha256').update(readFileSync(source)).digest('hex');
  const base64 = readFileSync(output).toString('base64');
  const lines = base64.match(/.{1,100}/g).map((line) => `  '${line}'`);
  writeFileSync(
    target,
    [
      '// Written by tools/resample-kernel/build.mjs from kernel.as; do not edit.',
      '',
      '/** SHA-256 of the kernel.as that was compiled; a test compares it with the file. */',
      `export const KERNEL_SOURCE_SHA256 = '${sha256}';`,
      '',
      '/** The WebAssembly module, base64. */',
      'export const KERNEL_BASE64 =',
      `${lines.join(' +\n')};`,
      '',
    ].join('\n'),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
