import { h } from '../dom.js';
import { t } from '../words.js';

/** A photo in a grid. It is drawn again, in its place, when something about it changes. */
export function makeTile(photo, { distance } = {}) {
  const tile = h('a', {
    class: 'tile',
    href: `#/photo/${photo.id}`,
    data: { id: photo.id },
    style: { '--ratio': String(clampRatio(photo.width / photo.height)) },
  });
  fillTile(tile, photo, distance);
  return tile;
}

export function fillTile(tile, photo, distance) {
  const label = photo.caption || photo.name;
  const parts = [picture(photo, label)];
  if (distance !== undefined)
    parts.push(
      h(
        'span',
        { class: 'distance', 'aria-label': t('distance', { distance: distance.toFixed(2) }) },
        distance.toFixed(2),
      ),
    );
  const open = photo.tasks.filter(({ state }) => state !== 'done');
  if (open.length > 0) parts.push(progress(photo.tasks));
  tile.replaceChildren(...parts);
}

function picture(photo, label) {
  const thumbnail = photo.tasks.find(({ task }) => task === 'thumbnail');
  if (thumbnail?.state === 'failed') return h('span', { class: 'no-picture' }, label);
  const { width, height } = photo;
  return h('img', { src: photo.thumbnail_url, alt: label, loading: 'lazy', decoding: 'async', width, height });
}

/** A dot per task; what each is for is said in words, too. */
export function progress(tasks) {
  const said = tasks.map(({ task, state }) => `${t(`taskNames.${task}`)}: ${t(`states.${state}`)}`).join(', ');
  return h(
    'span',
    { class: 'progress', role: 'img', 'aria-label': said, title: said },
    tasks.map(({ task, state }) => h('span', { class: `dot ${state}`, data: { task, state } })),
  );
}

/** Panoramas and strips would take a row each. */
function clampRatio(ratio) {
  return Math.min(Math.max(ratio, 0.6), 2.2);
}
