/** The scripts of the languages that PP-OCR's models read best. Latin letters count as English. */
const SCRIPTS = [
  ['zh', /\p{Script=Han}/u],
  ['en', /\p{Script=Latin}/u],
  ['ja', /[\p{Script=Hiragana}\p{Script=Katakana}]/u],
] as const;

/** The languages that a text's scripts hint at; none for a text of digits. */
export function languagesOf(text: string): readonly string[] {
  return SCRIPTS.flatMap(([language, script]) => (script.test(text) ? [language] : []));
}
