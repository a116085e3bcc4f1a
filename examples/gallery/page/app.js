import { call } from './api.js';
import { h } from './dom.js';
import { listenToServer } from './live.js';
import { acceptDrops } from './parts/upload-tray.js';
import { drawTop } from './parts/top.js';
import { showSignIn } from './views/sign-in.js';
import { showPhotos } from './views/photos.js';
import { showPeople, showPerson } from './views/people.js';
import { showAlbum } from './views/album.js';
import { showQueue } from './views/queue.js';
import { openPhoto, closePhoto } from './views/photo.js';
import { store } from './store.js';
import { languageTag, t } from './words.js';

const main = document.querySelector('main');
/** Aborted when another view is shown: its listeners end then. */
let showing = new AbortController();
let shown = '';

const VIEWS = { '': showPhotos, people: showPeople, person: showPerson, album: showAlbum, queue: showQueue };

/** The address says what is shown: `#/people`, `#/person/3`; a photo lies over the view that it was opened from. */
function route() {
  const [name = '', id] = location.hash.replace(/^#\/?/, '').split('/');
  if (location.hash === '#main') return;
  if (name === 'photo' && /^\d+$/.test(id ?? '')) {
    if (shown === '') show('', undefined);
    openPhoto(Number(id), { back: shown === '/' ? '#/' : `#${shown}` });
    return;
  }
  closePhoto();
  const key = `/${[name, id].filter(Boolean).join('/')}`;
  if (key !== shown) show(Object.hasOwn(VIEWS, name) ? name : '', id, key);
}

function show(name, id, key = '/') {
  showing.abort();
  showing = new AbortController();
  const isFirst = shown === '';
  shown = key;
  main.replaceChildren();
  drawTop(name, redraw);
  VIEWS[name]({ main, id: Number(id), signal: showing.signal });
  if (!isFirst) main.focus({ preventScroll: true });
  if (!isFirst) scrollTo(0, 0);
}

/** In another language. */
function redraw() {
  describeDocument();
  shown = '';
  route();
}

function describeDocument() {
  document.documentElement.lang = languageTag();
  document.title = t('title');
  document.querySelector('.skip').textContent = t('skip');
}

async function start() {
  describeDocument();
  await signInByLink();
  store.session = await call('/api/session');
  if (store.session.user === null) {
    showSignIn(main, () => location.reload());
    return;
  }
  addEventListener('hashchange', route);
  listenToServer();
  acceptDrops();
  document.body.append(h('div', { class: 'lost', role: 'alert', hidden: true }));
  store.addEventListener('connection', () => {
    const banner = document.querySelector('.lost');
    banner.textContent = store.isConnected ? '' : t('lost');
    banner.hidden = store.isConnected;
  });
  route();
  await store.loadMore();
}

/** The link of the server brings a token behind `#`, which no server's log sees; the address forgets it at once. */
async function signInByLink() {
  const token = /^#token=(\S+)$/.exec(location.hash)?.[1];
  if (token === undefined) return;
  history.replaceState(null, '', '/');
  await call('/api/session', { method: 'POST', headers: { authorization: `Bearer ${token}` } }).catch(() => undefined);
}

await start();
