// Location: the second patch is put to one of the eight places around the first.

const NAMES = ["above left", "above", "above right", "left", null, "right", "below left", "below", "below right"];

class Places {
  constructor(data, board) {
    this.board = board;
    this.chosen = null;
    this.done = "There it belongs";
    this.hint = "Choose one of the eight places around the first patch.";
    const waiting = part("figure", "pb-second");
    waiting.append(picture(data.views[1], "The second patch"), part("figcaption", "", "Where does this one belong?"));
    const grid = part("div", "pb-places");
    grid.style.setProperty("--gap", data.gap);
    grid.setAttribute("role", "radiogroup");
    grid.setAttribute("aria-label", "Places around the first patch");
    this.cells = NAMES.map((name, place) => this.cell(name, place, data));
    grid.append(...this.cells);
    roam(this.cells, 3, (place) => place !== 4);
    this.element = part("div", "pb-location");
    this.element.append(waiting, grid);
    this.first = this.cells[1];
  }

  cell(name, place, data) {
    if (name === null) {
      const middle = part("div", "pb-middle");
      middle.append(picture(data.views[0], "The first patch"));
      return middle;
    }
    const cell = part("button", "pb-place");
    cell.setAttribute("role", "radio");
    cell.setAttribute("aria-checked", "false");
    cell.setAttribute("aria-label", name);
    cell.append(picture(data.views[1], ""));
    cell.onclick = () => this.choose(place);
    cell.onkeydown = (event) => {
      if (event.key === "Enter" && this.chosen === place) {
        event.preventDefault();
        if (!event.repeat) this.board.finish();
      }
    };
    return cell;
  }

  choose(place) {
    this.chosen = place;
    this.cells.forEach((cell, at) => at !== 4 && cell.setAttribute("aria-checked", String(at === place)));
    this.board.ready();
    this.board.say(`Put ${NAMES[place]}`);
  }

  answer() {
    return this.chosen > 4 ? this.chosen - 1 : this.chosen;
  }
}
