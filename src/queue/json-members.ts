/** Where a member of a JSON object stands in its text. */
export interface JsonMember {
  readonly key: string;
  /** Place of the key's opening quote. */
  readonly start: number;
  /** Place of the comma or brace after the value. */
  readonly end: number;
}

/**
 * The members of a JSON object in the order of the text, repeated keys included. The text must be one that `JSON.parse`
 * takes for an object; nesting of any depth is fine.
 */
export function jsonMembers(text: string): readonly JsonMember[] {
  const members: JsonMember[] = [];
  let depth = 0;
  let start = -1;
  let key = '';

  for (let place = 0; place < text.length; place += 1) {
    switch (text.charAt(place)) {
      case '"': {
        const end = endOfString(text, place);
        if (depth === 1 && start < 0) {
          start = place;
          key = JSON.parse(text.slice(place, end)) as string;
        }
        place = end - 1;
        break;
      }
      case '{':
      case '[':
        depth += 1;
        break;
      case '}':
      case ']':
        depth -= 1;
        if (depth === 0 && start >= 0) members.push({ key, start, end: place });
        break;
      case ',':
        if (depth === 1) {
          members.push({ key, start, end: place });
          start = -1;
        }
        break;
      default:
    }
  }
  return members;
}

/** The text without the members of that key (and their commas); every other character stays. */
export function withoutMember(text: string, key: string): string {
  const members = jsonMembers(text);
  const firstKept = members.findIndex((member) => member.key !== key);
  const leading = firstKept < 0 ? members : members.slice(0, firstKept);
  let result = '';
  let from = 0;
  const cut = (start: number, end: number): void => {
    result += text.slice(from, start);
    from = end;
  };

  // Members that lead the object are cut up to the first one that stays; later ones take the comma before them along.
  const [first] = leading;
  const last = leading.at(-1);
  if (first && last) cut(first.start, members[firstKept]?.start ?? last.end);
  members.forEach((member, index) => {
    const before = members[index - 1];
    if (index >= leading.length && member.key === key && before) cut(before.end, member.end);
  });
  return result + text.slice(from);
}

function endOfString(text: string, start: number): number {
  let place = start + 1;
  while (text[place] !== '"') place += text[place] === '\\' ? 2 : 1;
  return place + 1;
}
