// Jigsaw: nine tiles on nine cells. A tile that is put on a cell changes places with the one that lies there.

const DRAGGED = 6; // pixels from which a press is a drag

class Tiles {
  constructor(data, board) {
    this.board = board;
    this.slots = data.views.map((_, slot) => slot); // by cell, whose tile lies there
    this.held = null; // the cell whose tile is picked up
    this.done = "That is the picture";
    this.hint = "Drag a tile onto another, or choose one and then its place.";
    this.views = data.views;
    this.cells = this.slots.map((_, cell) => this.cell(cell));
    this.element = part("div", "pb-nine");
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Puzzle of nine tiles. Arrow keys move, Enter picks up and puts down.");
    this.element.append(...this.cells);
    roam(this.cells, 3);
    this.first = this.cells[0];
    this.draw();
  }

  cell(at) {
    const cell = part("button", "pb-tile");
    cell.append(picture("", ""));
    cell.onkeydown = (event) => {
      if (event.key === "Escape") this.hold(null);
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (!event.repeat) this.press(at);
    };
    cell.onkeyup = (event) => event.key === " " && event.preventDefault(); // or it would count as a click too
    cell.onpointerdown = (event) => this.begin(event, at);
    cell.onpointermove = (event) => this.move(event);
    cell.onpointerup = (event) => this.end(event);
    cell.onpointercancel = () => this.letGo();
    return cell;
  }

  draw() {
    this.slots.forEach((slot, cell) => {
      const image = this.cells[cell].firstChild;
      if (image.src !== this.views[slot]) image.src = this.views[slot];
      this.cells[cell].dataset.slot = slot;
      this.cells[cell].setAttribute("aria-pressed", String(this.held === cell));
      this.cells[cell].setAttribute("aria-label", `Tile ${slot + 1}, in ${where(cell)}`);
    });
  }

  press(at) {
    if (this.held === null) this.hold(at);
    else if (this.held === at) this.hold(null);
    else this.put(this.held, at);
  }

  hold(cell) {
    if (cell !== null) this.board.say(`Tile ${this.slots[cell] + 1} picked up. Choose its place.`);
    else if (this.held !== null) this.board.say(`Tile ${this.slots[this.held] + 1} put back.`);
    this.held = cell;
    this.draw();
  }

  put(from, to) {
    const [one, other] = [this.slots[from], this.slots[to]];
    this.slots[to] = one;
    this.slots[from] = other;
    this.held = null;
    this.draw();
    this.board.say(`Tile ${one + 1} put to ${where(to)}; tile ${other + 1} went to ${where(from)}.`);
  }

  begin(event, at) {
    if (event.button || this.drag) return;
    this.drag = { at, id: event.pointerId, x: event.clientX, y: event.clientY, far: false };
    this.cells[at].setPointerCapture(event.pointerId);
  }

  move(event) {
    const { drag } = this;
    if (!drag || drag.id !== event.pointerId) return;
    const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.far && Math.hypot(x, y) < DRAGGED) return;
    if (!drag.far && this.held !== null) this.hold(null);
    drag.far = true;
    this.cells[drag.at].dataset.dragged = "yes";
    this.cells[drag.at].style.transform = `translate(${x}px, ${y}px)`;
    const over = this.under(event);
    this.cells.forEach((cell, place) => (cell.dataset.over = place === over && place !== drag.at ? "yes" : ""));
  }

  end(event) {
    const { drag } = this;
    if (!drag || drag.id !== event.pointerId) return;
    const to = this.under(event);
    this.letGo();
    if (!drag.far) {
      this.cells[drag.at].focus();
      this.press(drag.at);
    } else if (to !== -1 && to !== drag.at) {
      this.put(drag.at, to);
      this.cells[to].focus();
    }
  }

  letGo() {
    if (!this.drag) return;
    const cell = this.cells[this.drag.at];
    cell.style.transform = "";
    cell.dataset.dragged = "";
    for (const one of this.cells) one.dataset.over = "";
    this.drag = null;
  }

  // The cell under the pointer; -1 outside of the board. Cells that are being dragged lie where they began.
  under({ clientX, clientY }) {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    const [x, y] = [Math.floor((3 * (clientX - left)) / width), Math.floor((3 * (clientY - top)) / height)];
    return x < 0 || y < 0 || x > 2 || y > 2 ? -1 : 3 * y + x;
  }

  answer() {
    return this.slots;
  }
}
