// Receives the points of a map: sixteen letters that name this version of them, then JSON. They are kept for the life of
// the browser tab, for every map that is told to draw them.

const KEPT = 12; // versions that are kept

export default function ({ data }) {
  if (!data || !data.length) return;
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const text = new TextDecoder();
  const version = text.decode(bytes.subarray(0, 16));
  const store = (globalThis.sslvizPoints ??= new Map());
  const points = store.get(version) ?? JSON.parse(text.decode(bytes.subarray(16)));
  store.delete(version); // and last again: what was asked for last goes last
  store.set(version, points);
  for (const old of [...store.keys()].slice(0, -KEPT)) store.delete(old);
  globalThis.dispatchEvent(new CustomEvent("sslviz-points", { detail: version }));
}
