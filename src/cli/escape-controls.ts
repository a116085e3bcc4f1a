/**
 * Makes what a server wrote safe to print: control characters, invisible formatting (text that runs backwards) and halves
 * of pairs become `\uXXXX`, so that they can't move the cursor, change colours or forge lines. JSON in one line stays
 * the same JSON.
 */
export function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, place) => escapeUnit(character.charCodeAt(place))).join(''),
  );
}

function escapeUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}
