import { createHash } from 'node:crypto';
import type { Person } from './group-people.js';
import type { FoundFace } from './scan-photos.js';

/** Faces shown of one person, and of all. */
const MAX_FACES = 24;
const MAX_ALL_FACES = 3000;

/** A person as the page shows them. */
export interface ReportedPerson {
  readonly person: Person;
  /** Name of the album. */
  readonly name: string;
  /** What is done, or was done before. */
  readonly status: string;
}

export interface ReportFacts {
  readonly people: readonly ReportedPerson[];
  /** Lines above the people. */
  readonly summary: readonly string[];
}

const STYLE = `:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:72rem;background:Canvas;color:CanvasText}
h1{font-size:1.4rem;margin:0 0 .5rem}
h2{font-size:1.1rem;margin:0}
p{margin:.15rem 0;overflow-wrap:anywhere}
section{border-top:1px solid var(--line);padding:1rem 0}
.note{opacity:.75;font-size:.9rem}
ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(72px,1fr));gap:.5rem;list-style:none;margin:.75rem 0 0;padding:0}
li{min-width:0;font-size:.75rem;text-align:center;overflow-wrap:anywhere}
img,.none{display:block;width:100%;height:auto;aspect-ratio:1;border-radius:.4rem;object-fit:cover;background:var(--line)}`;

/** The faces of each person that the page shows, from the most typical to the least: strangers show at the end. */
export function chooseFaces(people: readonly Person[]): ReadonlyMap<Person, readonly FoundFace[]> {
  const most = Math.max(1, Math.min(MAX_FACES, Math.floor(MAX_ALL_FACES / Math.max(1, people.length))));
  const shown = people.slice(0, MAX_ALL_FACES);
  return new Map(shown.map((person) => [person, spread(byTypicality(person), most)]));
}

/** A page that needs nothing but itself: no script, no request. */
export function renderReport(
  { people, summary }: ReportFacts,
  chosen: ReadonlyMap<Person, readonly FoundFace[]>,
  thumbnails: ReadonlyMap<FoundFace, string>,
): string {
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; img-src data:; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  const sections = people.flatMap((entry) => {
    const faces = chosen.get(entry.person);
    return faces === undefined ? [] : [section(entry, faces, thumbnails)];
  });
  const hidden = people.length - sections.length;
  const rest = hidden > 0 ? [`<p class="note">… and ${hidden} more people</p>`] : [];
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="referrer" content="no-referrer">',
    // Without one a browser asks the server for /favicon.ico.
    '<link rel="icon" href="data:,">',
    '<title>People</title>',
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    '<header>',
    `<h1>${people.length} people</h1>`,
    ...summary.map((line) => `<p>${escapeHtml(line)}</p>`),
    '</header>',
    '<main>',
    ...sections,
    ...rest,
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function section(
  { person, name, status }: ReportedPerson,
  faces: readonly FoundFace[],
  thumbnails: ReadonlyMap<FoundFace, string>,
): string {
  const facts = [
    `${person.faces.length} faces in ${person.photos.length} photos`,
    `mean similarity ${person.cohesion.toFixed(2)}`,
    ...(faces.length < person.faces.length ? [`${faces.length} faces shown, the least typical at the end`] : []),
  ];
  return [
    '<section>',
    `<h2 lang="zh">${escapeHtml(name)}</h2>`,
    `<p>${escapeHtml(status)}</p>`,
    `<p class="note">${escapeHtml(facts.join(' · '))}</p>`,
    '<ul>',
    ...faces.map((found) => `<li>${picture(found, thumbnails.get(found))}${escapeHtml(found.photo.key)}</li>`),
    '</ul>',
    '</section>',
  ].join('\n');
}

function picture({ photo }: FoundFace, address: string | undefined): string {
  if (address === undefined) return '<span class="none"></span>';
  return `<img src="${address}" alt="Face in photo ${escapeHtml(photo.key)}" width="72" height="72">`;
}

function byTypicality({ faces, centre }: Person): readonly FoundFace[] {
  const similarity = ({ face: { embedding } }: FoundFace): number =>
    embedding.reduce((sum, value, place) => sum + value * (centre[place] ?? 0), 0);
  return faces
    .map((found) => ({ found, near: similarity(found) }))
    .sort((one, other) => other.near - one.near)
    .map(({ found }) => found);
}

/** So many of a list, evenly from its first to its last. */
function spread<T>(list: readonly T[], count: number): readonly T[] {
  if (list.length <= count) return list;
  const step = (list.length - 1) / Math.max(1, count - 1);
  return Array.from({ length: count }, (_, place) => list[Math.round(place * step)] as T);
}

function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '#39' };
  return text.replace(/[&<>"']/g, (character) => `&${names[character] ?? ''};`);
}
