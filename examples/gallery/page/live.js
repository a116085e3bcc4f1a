import { store } from './store.js';

/** Listens to the server as long as the page is open; the browser connects again by itself. */
export function listenToServer() {
  const source = new EventSource('/api/events');
  const on = (name, take) => source.addEventListener(name, ({ data }) => take(JSON.parse(data)));
  on('photo', ({ photo }) => store.put(photo));
  on('photo:removed', ({ id }) => store.remove(id));
  on('people', () => store.tell('people'));
  on('queue', ({ depths }) => {
    store.depths = depths;
    store.tell('queue');
  });
  source.addEventListener('open', () => {
    const wasLost = !store.isConnected;
    setConnected(true);
    if (!wasLost) return;
    void store.reload();
    store.tell('people');
    store.tell('queue');
  });
  source.addEventListener('error', () => setConnected(false));
  return () => source.close();
}

function setConnected(isConnected) {
  if (store.isConnected === isConnected) return;
  store.isConnected = isConnected;
  store.tell('connection');
}
