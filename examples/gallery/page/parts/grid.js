import { h } from '../dom.js';
import { store } from '../store.js';
import { fillTile, makeTile } from './tile.js';

/** Rows of photos. `show()` takes photos, or hits with a distance; tiles that stay are kept. */
export function makeGrid(signal, label) {
  const element = h('div', { class: 'grid', role: 'group', 'aria-label': label });
  let tiles = new Map();
  const show = (items) => {
    const next = new Map();
    for (const { photo, distance } of items) {
      const kept = tiles.get(photo.id);
      if (kept === undefined) next.set(photo.id, { tile: makeTile(photo, { distance }), distance });
      else {
        if (kept.distance !== distance) fillTile(kept.tile, photo, distance);
        next.set(photo.id, { tile: kept.tile, distance });
      }
    }
    tiles = next;
    element.replaceChildren(...[...tiles.values()].map(({ tile }) => tile));
  };
  store.listen('photo', signal, (photo) => {
    const kept = tiles.get(photo.id);
    if (kept !== undefined) fillTile(kept.tile, photo, kept.distance);
  });
  return { element, show };
}
