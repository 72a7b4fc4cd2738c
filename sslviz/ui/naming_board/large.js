// Receives pictures to be named: four bytes with the length of a JSON head, the head, then a JPEG for each id. The
// latest few are kept for the life of the browser tab.

const KEPT = 60;

export default function ({ data }) {
  if (!data || !data.length) return;
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const store = (globalThis.sslvizLarge ??= new Map());
  let at = 4 + length;
  head.ids.forEach((id, place) => {
    const key = `${head.set} ${id}`;
    const part = bytes.subarray(at, at + head.bytes[place]);
    at += head.bytes[place];
    if (!store.has(key)) store.set(key, URL.createObjectURL(new Blob([part], { type: "image/jpeg" })));
  });
  for (const old of [...store.keys()].slice(0, -KEPT)) {
    URL.revokeObjectURL(store.get(old));
    store.delete(old);
  }
  globalThis.dispatchEvent(new CustomEvent("sslviz-sprites", { detail: head.set }));
}
