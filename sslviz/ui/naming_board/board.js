// The board: names above, a dozen images to name, and what the rest would be called.

const boards = new WeakMap();
const SMALL = 76; // least width of a thumbnail in a strip, and the gap between two, as in board.css
const GAP = 8;

class Board {
  constructor(root) {
    this.root = root;
    this.acts = new Acts();
    this.chosen = new Set();
    this.typed = []; // names that no image has yet
    this.brush = null;
    this.over = null; // the image under the pointer
    this.frozen = false;
    this.build();
  }

  build() {
    const { root } = this;
    this.bar = part("div", "nb-bar");
    this.chips = part("div", "nb-chips");
    this.field = part("input", "nb-new");
    Object.assign(this.field, { type: "text", maxLength: 80, autocomplete: "off", enterKeyHint: "done" });
    this.field.setAttribute("aria-label", "New name");
    this.field.onkeydown = (event) => {
      if (event.key === "Enter" && !event.isComposing) this.type();
      if (event.key === "Escape") this.field.blur();
      event.stopPropagation();
    };
    this.plus = part("button", "nb-plus", "Add");
    this.plus.onclick = () => this.type();
    this.field.oninput = () => (this.plus.hidden = !this.field.value.trim());
    this.back = part("button", "nb-undo", "Undo");
    this.back.onclick = () => {
      this.acts.add({ kind: "undo" });
      this.draw();
    };
    this.hint = part("p", "nb-hint");
    this.hint.setAttribute("aria-live", "polite");
    const line = part("div", "nb-line");
    const fresh = part("span", "nb-fresh");
    fresh.append(this.field, this.plus);
    line.append(this.chips, fresh, this.back);
    this.bar.append(line, this.hint);

    this.head = part("h4");
    this.head.append(part("b"), part("span"));
    this.batch = part("div", "nb-batch");
    this.next = part("button", "nb-next");
    this.next.onclick = () => {
      this.chosen.clear();
      this.acts.add({ kind: "next" });
      this.draw();
    };
    this.rest = part("div", "nb-rest");
    this.said = part("p", "nb-said");
    this.strips = part("div", "nb-strips");
    this.mine = part("section", "nb-mine");
    const title = part("h4");
    title.append(part("b", "", "Named by you"), part("span"));
    this.named = part("div", "nb-items nb-few");
    this.mine.append(title, this.named);
    this.rest.append(this.said, this.strips, this.mine);
    root.replaceChildren(this.bar, this.head, this.batch, this.next, this.rest);

    // What is looked through is not shuffled under the pointer, or the finger.
    this.rest.onpointerenter = (event) => event.pointerType === "mouse" && (this.frozen = true);
    this.rest.onpointerleave = (event) => event.pointerType === "mouse" && this.thaw();
    this.rest.addEventListener("click", () => (this.frozen = true), true);
    this.onDown = (event) => event.pointerType !== "mouse" && !this.rest.contains(event.target) && this.thaw();
    this.onKey = (event) => this.key(event);
    document.addEventListener("pointerdown", this.onDown);
    document.addEventListener("keydown", this.onKey);
    this.onSprites = () => paint(this);
    globalThis.addEventListener("sslviz-sprites", this.onSprites);
    this.size = new ResizeObserver(() => this.data && this.draw());
    this.size.observe(root);
  }

  end() {
    document.removeEventListener("pointerdown", this.onDown);
    document.removeEventListener("keydown", this.onKey);
    globalThis.removeEventListener("sslviz-sprites", this.onSprites);
    this.size.disconnect();
  }

  thaw() {
    if (!this.frozen) return;
    this.frozen = false;
    this.draw();
  }

  heed(data) {
    this.data = data;
    this.acts.heard(data.heard);
    this.typed = this.typed.filter((name) => !data.names.some((known) => folded(known) === folded(name)));
    this.draw();
  }

  names() {
    return [...this.data.names, ...this.typed];
  }

  // The spelling that there is already, else the one that was typed.
  spelled(wish) {
    return this.names().find((name) => folded(name) === folded(wish)) ?? wish;
  }

  look(name) {
    const { palette, symbols } = this.data;
    const place = Math.max(0, this.names().indexOf(name));
    return {
      color: palette[place % palette.length],
      symbol: symbols[Math.floor(place / palette.length) % symbols.length],
    };
  }

  nameOf(id) {
    const now = this.acts.nameOf(id);
    if (now !== undefined) return now;
    return id in this.data.given ? this.data.names[this.data.given[id]] : null;
  }

  name(ids, name) {
    if (!this.names().includes(name)) this.typed.push(name);
    const all = ids.every((id) => this.nameOf(id) === name);
    this.acts.add(all ? { kind: "forget", ids } : { kind: "name", ids, name });
    this.draw();
  }

  click(id) {
    if (this.brush !== null) return this.name([id], this.brush);
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.draw();
  }

  pick(name) {
    if (this.chosen.size) {
      this.name([...this.chosen], name);
      this.chosen.clear();
    } else {
      this.brush = this.brush === name ? null : name;
    }
    this.draw();
  }

  type() {
    const wish = this.field.value.split(/\s+/).filter(Boolean).join(" ");
    this.field.value = "";
    this.plus.hidden = true;
    if (!wish) return;
    const name = this.spelled(wish);
    if (!this.names().includes(name)) this.typed.push(name);
    if (this.brush === name) this.brush = null; // or picking it would put it down
    this.pick(name);
    if (matchMedia("(hover: none)").matches) this.field.blur();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.root.isConnected) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], [role=dialog]")) return;
    if (event.key === "Escape") {
      this.brush = null;
      this.chosen.clear();
      this.draw();
    }
    const name = /^[1-9]$/.test(event.key) ? this.names()[Number(event.key) - 1] : undefined;
    if (name === undefined) return;
    if (this.over && !this.chosen.size) this.name([this.over], name);
    else this.pick(name);
  }

  draw() {
    const { data } = this;
    const names = this.names();
    if (this.brush !== null && !names.includes(this.brush)) this.brush = null;
    sync(
      this.chips,
      names.map((name, place) => ({ key: name, name, place })),
      () => this.chip(),
      (chip, item) => this.fillChip(chip, item),
    );
    this.root.dataset.brush = this.brush === null ? "" : "yes";
    if (this.brush !== null) this.root.style.setProperty("--nb-brush", this.look(this.brush).color);
    this.field.placeholder = names.length ? "New name" : "Name, such as cat";
    this.plus.hidden = !this.field.value.trim();
    this.bar.dataset.asks = this.chosen.size ? "yes" : "";
    this.back.disabled = !data.undoable && !this.acts.waiting.length;
    this.hint.textContent = this.advice(names);
    this.head.hidden = !data.batch.length;
    this.head.firstChild.textContent = data.title;
    this.head.lastChild.textContent = data.note;
    this.batch.dataset.guesses = data.strips.length ? "yes" : "";
    this.tiles(this.batch, data.batch);
    const open = data.batch.filter((item) => this.nameOf(item.id) === null).length;
    this.next.hidden = !data.left || !names.length;
    this.next.textContent = open ? `Show ${Math.min(data.left, data.batch.length)} others` : "Next images";
    this.next.dataset.ready = open ? "" : "yes";
    if (!this.frozen || !this.shown) this.shown = data;
    this.drawRest(this.shown);
    paint(this);
  }

  drawRest(shown) {
    this.said.textContent = this.data.said;
    this.rest.hidden = !shown.named.length && !shown.strips.length;
    sync(
      this.strips,
      shown.strips.map((strip) => ({ ...strip, key: shown.names[strip.name], called: shown.names[strip.name] })),
      () => this.strip(),
      (section, strip) => this.fillStrip(section, strip),
    );
    this.mine.hidden = !shown.named.length;
    const many = Object.values(this.data.counts).reduce((sum, one) => sum + one, 0);
    const all = many <= shown.named.length;
    this.mine.firstChild.lastChild.textContent = all ? "latest first" : `the latest ${shown.named.length} of ${many}`;
    this.tiles(this.named, shown.named);
  }

  tiles(parent, items) {
    sync(
      parent,
      items.map((item) => ({ ...item, key: item.id })),
      (item) => makeTile(this, item.id),
      (tile, item) => fillTile(this, tile, item),
    );
  }

  chip() {
    const chip = part("button", "nb-chip");
    chip.append(part("kbd"), part("i", "em-mark"), part("span"), part("b"));
    return chip;
  }

  fillChip(chip, { name, place }) {
    const [key, dot, word, count] = chip.children;
    key.textContent = place < 9 ? String(place + 1) : "";
    key.hidden = place >= 9;
    wear(dot, this.look(name));
    word.textContent = name;
    count.textContent = this.data.counts[place] ?? "";
    chip.title = name;
    chip.setAttribute("aria-pressed", String(this.brush === name));
    chip.onclick = () => this.pick(name);
  }

  strip() {
    const section = part("section");
    const title = part("h4");
    const right = part("button", "nb-right");
    title.append(part("i", "em-mark"), part("b"), part("span"), right);
    section.append(title, part("div", "nb-items nb-strip"));
    return section;
  }

  fillStrip(section, strip) {
    const [dot, word, note, right] = section.firstChild.children;
    wear(dot, this.look(strip.called));
    word.textContent = strip.called;
    note.textContent = strip.note;
    const seen = strip.tiles.slice(0, this.fits());
    const open = seen.filter((item) => this.nameOf(item.id) === null);
    right.hidden = !open.length;
    right.textContent = open.length === 1 ? "This one is right" : `These ${open.length} are right`;
    right.title = `Name them ${strip.called}`;
    right.onclick = () => {
      this.name(open.map((item) => item.id), strip.called);
      this.frozen = false;
    };
    this.tiles(section.lastChild, seen);
  }

  // As many as can be seen at once are shown of a strip, since all that are shown can be said to be right: one line of
  // them, or two where a line is short.
  fits() {
    const line = Math.max(1, Math.floor((this.root.clientWidth + GAP) / (SMALL + GAP)));
    return line < 8 ? 2 * line : line;
  }

  advice(names) {
    const { size } = this.chosen;
    const pointer = matchMedia("(hover: hover)").matches;
    const press = pointer ? "Click" : "Tap";
    if (size) return `${size} chosen. ${names.length ? `${press} a name, or type a new one.` : "Type what they show."}`;
    if (this.brush !== null)
      return `${press} every “${this.brush}”; once more takes it back.${pointer ? " Esc puts the name down." : ""}`;
    if (!names.length) return `${press} the images that show the same thing, then type its name.`;
    const keys = pointer ? " Or press its number with the pointer on an image." : "";
    return `${press} images, then a name; or a name, then images.${keys}`;
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".nb");
  let board = boards.get(parentElement);
  if (!board) {
    board = new Board(root);
    boards.set(parentElement, board);
  }
  board.acts.send = (word) => setTriggerValue("acts", word);
  board.heed(data);
  return () => {
    board.end();
    boards.delete(parentElement);
  };
}
