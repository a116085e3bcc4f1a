import { call } from '../api.js';
import { announce, h, icon } from '../dom.js';
import { store } from '../store.js';
import { t } from '../words.js';

const KINDS = ['photos', 'texts'];
const PLACES = ['waiting', 'inFlight', 'retry', 'dead'];

/** Where jobs are, and those that died: why, and a way back. */
export function showQueue({ main, signal }) {
  const depths = h('div', { class: 'depths' });
  const letters = h('ul', { class: 'letters' });
  const none = h('p', { class: 'said' });
  const redriveAll = h(
    'button',
    { class: 'primary', type: 'button', onclick: () => redrive({}) },
    icon('again'),
    t('redriveAll'),
  );
  main.replaceChildren(
    h('h1', {}, t('queue')),
    depths,
    h('div', { class: 'row spread' }, h('h2', {}, t('deadTitle')), redriveAll),
    none,
    letters,
  );

  const load = async () => {
    const queue = await call('/api/queue', { signal });
    store.depths = queue.depths;
    drawDepths(depths);
    const { dead, more_dead: more } = queue;
    redriveAll.hidden = dead.length === 0;
    none.textContent = dead.length === 0 ? t('deadNone') : more > 0 ? t('deadMore', { count: more }) : '';
    none.hidden = none.textContent === '';
    letters.replaceChildren(...dead.map((letter) => letterRow(letter, redrive)));
  };
  const attempt = () =>
    void load().catch((error) => {
      if (!signal.aborted) announce(t('failed', { reason: error.message }));
    });
  const redrive = async (which) => {
    try {
      const { redriven } = await call('/api/queue/redrive', { method: 'POST', body: which });
      announce(t('redriven', { count: redriven }));
    } catch (error) {
      announce(t('failed', { reason: error.message }));
    }
    attempt();
  };
  let dead = store.depths?.photos.dead;
  store.listen('queue', signal, () => {
    drawDepths(depths);
    if (store.depths?.photos.dead === dead) return;
    dead = store.depths?.photos.dead;
    attempt();
  });
  attempt();
}

function drawDepths(element) {
  if (store.depths === undefined) return;
  element.replaceChildren(
    ...KINDS.map((kind) =>
      h(
        'section',
        { class: 'depth', data: { kind } },
        h('h2', {}, t(`queues.${kind}`)),
        h(
          'dl',
          {},
          PLACES.map((place) =>
            h(
              'div',
              { class: place, data: { place } },
              h('dt', {}, t(`depths.${place}`)),
              h('dd', {}, String(store.depths[kind][place])),
            ),
          ),
        ),
      ),
    ),
  );
}

function letterRow({ id, photo_id: photoId, reason, message, attempts, failed_at: failedAt }, redrive) {
  const photo = store.photos.get(photoId);
  const name = photo?.name ?? `${t('photo')} ${photoId}`;
  const about = [
    attempts === null ? undefined : t('attempts', { count: attempts }),
    failedAt === null ? undefined : new Date(failedAt).toLocaleString(document.documentElement.lang),
  ];
  return h(
    'li',
    { data: { reason, photo: photoId } },
    h(
      'div',
      { class: 'letter' },
      h('a', { href: `#/photo/${photoId}` }, name),
      h('span', { class: 'reason' }, reason),
      h('p', {}, message),
      h('p', { class: 'muted' }, about.filter(Boolean).join(' · ')),
    ),
    h(
      'button',
      { type: 'button', 'aria-label': `${t('redrive')}: ${name}`, onclick: () => redrive({ id }) },
      icon('again'),
      t('redrive'),
    ),
  );
}
