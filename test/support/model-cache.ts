import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

/** Puts a commit into a Hugging Face cache as downloads do: blobs, links to them, and `refs/main`. Answers its folder. */
export async function putCommit(
  cacheDir: string,
  repository: string,
  commit: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<string> {
  const folder = join(cacheDir, `models--${repository.replace('/', '--')}`);
  for (const name of ['blobs', 'refs']) await mkdir(join(folder, name), { recursive: true });
  for (const [path, bytes] of Object.entries(files)) {
    const blob = join(folder, 'blobs', createHash('sha256').update(bytes).digest('hex'));
    const pointer = join(folder, 'snapshots', commit, path);
    await mkdir(dirname(pointer), { recursive: true });
    await writeFile(blob, bytes);
    await symlink(relative(dirname(pointer), blob), pointer);
  }
  await writeFile(join(folder, 'refs', 'main'), commit);
  return folder;
}
