// Rows of thumbnails that can be clicked; the one under the pointer, or in focus, is ringed on the maps of the page.

const WIDTH = 84;

function item(sprites, one, choose) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.id = one.id;
  const words = [one.name, one.caption, one.value].filter(Boolean).join(", ");
  const same = one.same == null ? "" : one.same ? ", same label" : ", another label";
  button.setAttribute("aria-label", words + same);
  button.title = words;
  if (one.current) button.setAttribute("aria-current", "true");
  const thumb = document.createElement("div");
  thumb.className = "em-thumb";
  if (one.same != null) {
    const mark = document.createElement("span");
    mark.className = "er-mark";
    mark.dataset.same = String(one.same);
    mark.textContent = one.same ? "✓" : "✕";
    mark.setAttribute("aria-hidden", "true");
    thumb.append(mark);
  }
  const caption = document.createElement("div");
  caption.className = "er-caption";
  for (const text of [one.caption, one.value]) {
    const span = document.createElement("span");
    span.textContent = text ?? "";
    caption.append(span);
  }
  button.append(thumb, caption);
  button.onclick = () => choose(one.id);
  const point = (id) => globalThis.dispatchEvent(new CustomEvent("sslviz-point", { detail: { sprites, id } }));
  button.onpointerenter = button.onfocus = () => point(one.id);
  button.onpointerleave = button.onblur = () => point(null);
  return button;
}

function draw(root, data, choose) {
  root.replaceChildren();
  root.classList.toggle("er-strip", data.strip);
  root.style.setProperty("--er-width", `${data.width ?? WIDTH}px`);
  for (const row of data.rows) {
    const section = document.createElement("section");
    if (row.title) {
      const title = document.createElement("h4");
      title.textContent = row.title;
      const note = document.createElement("span");
      note.textContent = row.note ?? "";
      title.append(note);
      section.append(title);
    }
    const items = document.createElement("div");
    items.className = "er-items";
    for (const one of row.items) items.append(item(data.sprites, one, choose));
    section.append(items);
    root.append(section);
  }
}

function paint(root, data) {
  const items = data.rows.flatMap((row) => row.items);
  root.querySelectorAll(".em-thumb").forEach((thumb, place) => {
    const width = thumb.clientWidth;
    if (width) paintThumb(thumb, data.sprites, items[place].tile, width);
  });
}

const grids = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".er");
  let grid = grids.get(parentElement);
  if (!grid) {
    grid = { text: "" };
    grid.size = new ResizeObserver(() => paint(root, grid.data));
    grid.size.observe(root);
    grid.onSprites = () => paint(root, grid.data);
    globalThis.addEventListener("sslviz-sprites", grid.onSprites);
    grids.set(parentElement, grid);
  }
  grid.choose = (id) => setTriggerValue("clicked", id);
  grid.data = data;
  const text = JSON.stringify(data);
  if (text !== grid.text) draw(root, data, (id) => grid.choose(id));
  grid.text = text;
  paint(root, data);
  return () => {
    grid.size.disconnect();
    globalThis.removeEventListener("sslviz-sprites", grid.onSprites);
    grids.delete(parentElement);
  };
}
