// Exemplar: the patch that a copy was made of is picked out of several.

class Patches {
  constructor(data, board) {
    this.board = board;
    this.chosen = null;
    this.done = "It is this one";
    this.hint = "Moved, turned, recoloured: which patch was it?";
    const copy = part("figure", "pb-second");
    copy.append(picture(data.views[0], "The copy"), part("figcaption", "", "Of which patch is this a copy?"));
    const grid = part("div", "pb-patches");
    grid.setAttribute("role", "radiogroup");
    grid.setAttribute("aria-label", "Patches to choose from");
    this.cells = data.candidates.map((uri, place) => {
      const cell = part("button", "pb-patch");
      cell.setAttribute("role", "radio");
      cell.setAttribute("aria-checked", "false");
      cell.setAttribute("aria-label", `Patch ${place + 1}`);
      cell.append(picture(uri, ""));
      cell.onclick = () => this.choose(place);
      cell.onkeydown = (event) => {
        if (event.key === "Enter" && this.chosen === place) {
          event.preventDefault();
          if (!event.repeat) board.finish();
        }
      };
      return cell;
    });
    grid.append(...this.cells);
    roam(this.cells, 3);
    this.element = part("div", "pb-location");
    this.element.append(copy, grid);
    this.first = this.cells[0];
  }

  choose(place) {
    this.chosen = place;
    this.cells.forEach((cell, at) => cell.setAttribute("aria-checked", String(at === place)));
    this.board.ready();
    this.board.say(`Patch ${place + 1} chosen`);
  }

  answer() {
    return this.chosen;
  }
}
