/**
 * What a child process gets of its parent's environment. It decodes what strangers uploaded, so nothing that is secret may
 * be in it: what is not named here stays behind.
 */
const VARIABLES: readonly (string | RegExp)[] = [
  'PATH',
  'HOME',
  'TZ',
  'LANG',
  /^LC_/,
  /^(TMPDIR|TEMP|TMP)$/,
  // Where native libraries are, and how they take memory, threads and devices.
  /^(LD_LIBRARY_PATH|LD_PRELOAD|DYLD_LIBRARY_PATH)$/,
  /^(MALLOC|OMP|ORT|CUDA|NVIDIA)_/,
  'GLIBC_TUNABLES',
  'UV_THREADPOOL_SIZE',
  // Windows starts nothing without these.
  /^(SystemRoot|windir|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|ComSpec|NUMBER_OF_PROCESSORS)$/i,
];

/** How modules are found and read, for tasks of one's own, and how much memory they may take. */
const FLAGS =
  /^--(import|loader|experimental-loader|experimental-(strip|transform)-types|conditions|max-[a-z-]+-size)$/;
/** Those of them whose value may stand behind them as a word of its own. */
const FLAGS_WITH_VALUE = /^--(import|loader|experimental-loader|conditions)$/;

/**
 * V8's young generation would grow to 32 MB or more in each thread, and stay there, for garbage that is gone with the next
 * collection: what takes memory here, pictures and tensors, lies outside of V8's heap. In MiB, a third of the whole.
 */
const SMALL_YOUNG_GENERATION = '--max-semi-space-size=2';

/** With it pictures go as soon as nobody needs them (`releasePhoto`). Later versions of Node.js need no flag, and know none. */
const EARLY_RELEASE = 'transfer' in ArrayBuffer.prototype ? [] : ['--harmony-rab-gsab-transfer'];

/**
 * How glibc's allocator is to take memory; others don't know these. By itself it would keep a heap for each of a dozen
 * threads, and in each of them what pictures and tensors have left behind. Two heaps are enough, buffers of four megabytes and more
 * go back to the system when they are freed, and the rest of a heap does when it is more than eight. Smaller ones, files and pixels
 * that the decoder has shrunk, are used again: to get and clear their pages anew for each photo takes two percent of the time.
 * Large buffers come in large pages where the system has some: a photo of 12 megapixels is nine thousand of the small ones.
 */
const ALLOCATOR = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(4 * 1024 ** 2),
  MALLOC_TRIM_THRESHOLD_: String(8 * 1024 ** 2),
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
};

/** What libuv has by itself for the decodings and file reads of a process. */
export const UV_THREADS = 4;

/** The environment of a child that decodes so many photos at a time. What is set already stays. */
export function childEnvironment(env: Readonly<NodeJS.ProcessEnv>, decodings = 0): NodeJS.ProcessEnv {
  const isAllowed = (name: string): boolean =>
    VARIABLES.some((rule) => (typeof rule === 'string' ? rule === name.toUpperCase() : rule.test(name)));
  const pool = decodings > UV_THREADS ? { UV_THREADPOOL_SIZE: String(decodings) } : {};
  return { ...ALLOCATOR, ...pool, ...Object.fromEntries(Object.entries(env).filter(([name]) => isAllowed(name))) };
}

/** The flags of Node.js that a child is started with; `--env-file` and debuggers' ports are among those left out. */
export function childFlags(flags: readonly string[]): readonly string[] {
  const kept: string[] = [];
  flags.forEach((flag, index) => {
    const [name = ''] = flag.split('=', 1);
    const isValue = FLAGS_WITH_VALUE.test(flags[index - 1] ?? '');
    if (FLAGS.test(name) || isValue) kept.push(flag);
  });
  // What was given comes last, and counts.
  return [SMALL_YOUNG_GENERATION, ...EARLY_RELEASE, ...kept];
}
