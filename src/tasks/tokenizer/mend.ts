/**
 * transformers.js reads `tokenizer.json` a little differently from the Rust library that made the file and that Python
 * uses. Where it does, the file is rewritten in memory, in words that both understand alike. Each rule names the
 * difference; a rule can go when the test that pins it finds transformers.js mended.
 */

/** A normaliser or pre-tokenizer of `tokenizer.json`: what it is, and its settings. */
export interface Step {
  readonly type: string;
  readonly [setting: string]: unknown;
}

/** Chinese characters beyond the basic plane, in the blocks that BERT splits into single words. */
const ASTRAL_CHINESE =
  '[\\u{20000}-\\u{2A6DF}\\u{2A700}-\\u{2B73F}\\u{2B740}-\\u{2B81F}\\u{2B920}-\\u{2CEAF}\\u{2F800}-\\u{2FA1F}]';

/** The normaliser with the differences mended; null stays null. */
export function mendNormaliser(step: Step | null): Step | null {
  if (step === null) return null;
  switch (step.type) {
    case 'Sequence':
      return sequence('normalizers', (step['normalizers'] as readonly Step[]).map(mendNormaliser));
    case 'Lowercase':
      return sequence('normalizers', [lowerSigma, step]);
    case 'BertNormalizer':
      return mendBert(step);
    case 'Strip':
      return sequence('normalizers', [
        // What JavaScript trims is not quite what Unicode calls white space (U+FEFF, U+0085).
        ...(step['strip_left'] === true ? [replaceAll('\\A\\s+', '')] : []),
        ...(step['strip_right'] === true ? [replaceAll('(?<!\\s)\\s+\\z', '')] : []),
      ]);
    case 'Replace':
      // JavaScript reads `$&` and its like in a replacement; for Rust they are just characters.
      return { ...step, content: String(step['content']).replaceAll('$', '$$$$') };
    default:
      return step;
  }
}

/** The pre-tokenizer with the differences mended; null stays null. */
export function mendPreTokenizer(step: Step | null): Step | null {
  if (step === null) return null;
  switch (step.type) {
    case 'Sequence':
      return sequence('pretokenizers', (step['pretokenizers'] as readonly Step[]).map(mendPreTokenizer));
    case 'WhitespaceSplit':
      return { type: 'Split', pattern: { Regex: '\\s+' }, behavior: 'Removed', invert: false };
    case 'ByteLevel':
      if (step['use_regex'] === false) return step;
      return sequence('pretokenizers', [
        // The space comes before the words are told apart, and to the text alone, not to each word.
        step['add_prefix_space'] === true ? SPACE_BEFORE : null,
        BYTE_LEVEL_WORDS,
        { ...step, use_regex: false, add_prefix_space: false },
      ]);
    case 'Metaspace': {
      // Rust makes each word a piece of its own; transformers.js leaves the text in one.
      const mark = typeof step['replacement'] === 'string' ? step['replacement'] : '\u2581';
      const words = { Regex: `${mark}[^${mark}]*|[^${mark}]+` };
      const split = { type: 'Split', pattern: words, behavior: 'Removed', invert: true };
      return step['split'] === false ? step : sequence('pretokenizers', [step, split]);
    }
    default:
      return step;
  }
}

/**
 * The words of `ByteLevel`, as the Rust library writes them down. transformers.js has them, and `WhitespaceSplit`, as
 * expressions of JavaScript, whose `\s` has U+FEFF and lacks U+0085; a `Split` it reads with the white space of Unicode.
 */
const BYTE_LEVEL_WORDS: Step = {
  type: 'Split',
  pattern: {
    Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  },
  behavior: 'Isolated',
  invert: false,
};

/** Puts a space before a text that has none there. */
const SPACE_BEFORE: Step = { type: 'Metaspace', replacement: ' ', prepend_scheme: 'always' };

/** JavaScript lower-cases a sigma by its place in the word (`ς` at the end), Rust each character alone. */
const lowerSigma: Step = { type: 'Replace', pattern: { String: 'Σ' }, content: 'σ' };

function mendBert(step: Step): Step {
  return sequence('normalizers', [
    // transformers.js looks at UTF-16 units here, and so never sees a character beyond the basic plane.
    ...(step['handle_chinese_chars'] === false ? [] : [replaceAll(ASTRAL_CHINESE, ' $& ')]),
    ...(step['lowercase'] === false ? [] : [lowerSigma]),
    step,
  ]);
}

function replaceAll(regex: string, content: string): Step {
  return { type: 'Replace', pattern: { Regex: regex }, content };
}

function sequence(key: 'normalizers' | 'pretokenizers', steps: readonly (Step | null)[]): Step {
  return { type: 'Sequence', [key]: steps.filter((step) => step !== null) };
}
