// Receives one sheet of thumbnails: four bytes with the length of a JSON head, the head, then a JPEG. Sheets are
// kept for the life of the browser tab, under the set's fingerprint, for every map and gallery on any page.

const KEPT = 4; // sets whose sheets are kept

export default function ({ data }) {
  if (!data || !data.length) return;
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const store = (globalThis.sslvizSprites ??= new Map());
  let set = store.get(head.set);
  if (!set) {
    set = { tile: head.tile, columns: head.columns, each: head.each, sheets: [] };
    store.set(head.set, set);
    for (const old of [...store.keys()].slice(0, -KEPT)) {
      for (const sheet of store.get(old).sheets) if (sheet) URL.revokeObjectURL(sheet.url);
      store.delete(old);
    }
  }
  if (set.sheets[head.sheet]) return;
  const url = URL.createObjectURL(new Blob([bytes.subarray(4 + length)], { type: "image/jpeg" }));
  set.sheets[head.sheet] = { url, rows: head.rows };
  globalThis.dispatchEvent(new CustomEvent("sslviz-sprites", { detail: head.set }));
}
