import { ApiError, upload } from '../api.js';
import { announce, h, icon } from '../dom.js';
import { store } from '../store.js';
import { t } from '../words.js';
import { progress } from './tile.js';

/** As many as the server likes at a time, with room for others. */
const AT_A_TIME = 3;
const RETRY_MS = 1000;

const waiting = [];
let underWay = 0;

/** Photos may be dropped anywhere on the page, or pasted. */
export function acceptDrops() {
  const isFiles = ({ dataTransfer }) => dataTransfer?.types.includes('Files') === true;
  const mark = (isOver) => document.body.classList.toggle('dropping', isOver);
  addEventListener('dragover', (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  addEventListener('dragleave', (event) => event.relatedTarget === null && mark(false));
  addEventListener('drop', (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    mark(false);
    addFiles(event.dataTransfer.files);
  });
  addEventListener('paste', ({ clipboardData }) => addFiles(clipboardData?.files ?? []));
}

/** Uploads files one after the other, and shows how far each is. */
export function addFiles(files) {
  for (const file of files) waiting.push({ file, row: addRow(file) });
  while (underWay < AT_A_TIME && waiting.length > 0) void sendNext();
}

async function sendNext() {
  const next = waiting.shift();
  if (next === undefined) return;
  underWay += 1;
  try {
    await send(next);
  } finally {
    underWay -= 1;
    void sendNext();
  }
}

async function send({ file, row }) {
  const most = store.session.max_upload_bytes;
  try {
    if (file.size > most) throw new ApiError(413, t('tooLarge', { size: Math.floor(most / 1024 / 1024) }));
    const photo = await withRetry(() => upload(file, (share) => row.setShare(share)));
    row.follow(store.put(photo));
    announce(`${file.name}: ${t('uploaded')}`);
  } catch (error) {
    row.fail(error.message);
    announce(`${file.name}: ${t('uploadFailed', { reason: error.message })}`);
  }
}

/** The server takes so many at a time; others have to come again. */
async function withRetry(attempt) {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (error.status !== 503 || tries === 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function addRow(file) {
  const bar = h('progress', { max: 1, value: 0, 'aria-label': file.name });
  const state = h('span', { class: 'state' }, bar);
  const row = h('li', {}, h('span', { class: 'name' }, file.name), state);
  tray().querySelector('ul').append(row);
  const ended = new AbortController();
  return {
    setShare: (share) => (bar.value = share),
    fail: (reason) => {
      row.classList.add('failed');
      state.replaceChildren(t('uploadFailed', { reason }));
    },
    follow: (photo) => {
      state.replaceChildren(progress(photo.tasks));
      store.listen('photo', ended.signal, (changed) => {
        if (changed.id !== photo.id) return;
        state.replaceChildren(progress(changed.tasks));
        if (changed.tasks.every(({ state: now }) => now === 'done' || now === 'failed')) ended.abort();
      });
    },
  };
}

function tray() {
  return document.querySelector('.tray') ?? document.body.appendChild(makeTray());
}

function makeTray() {
  const close = h('button', { class: 'plain', type: 'button', 'aria-label': t('close') }, icon('close'));
  const made = h(
    'section',
    { class: 'tray', 'aria-label': t('uploads') },
    h('header', {}, h('h2', {}, t('uploads')), close),
    h('ul', {}),
  );
  close.addEventListener('click', () => made.remove());
  return made;
}
