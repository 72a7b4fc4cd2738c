// What the four boards share: elements, and a grid of buttons that the arrow keys walk through.

function part(kind, name, text) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  if (kind === "button") element.type = "button";
  return element;
}

function picture(uri, alt) {
  const image = part("img");
  image.src = uri;
  image.alt = alt;
  image.draggable = false;
  return image;
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// One of `cells`, in rows of `columns`, takes the Tab key's stop; the arrows move it. `open` says where it may stand.
function roam(cells, columns, open = () => true) {
  const stand = (at) => cells.forEach((cell, place) => (cell.tabIndex = place === at ? 0 : -1));
  stand(cells.findIndex((_, place) => open(place)));
  cells.forEach((cell, at) => {
    cell.addEventListener("focus", () => stand(at));
    cell.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step) return;
      event.preventDefault();
      const rows = Math.ceil(cells.length / columns);
      let [x, y] = [at % columns, Math.floor(at / columns)];
      do {
        [x, y] = [x + step[0], y + step[1]];
        if (x < 0 || y < 0 || x >= columns || y >= rows || y * columns + x >= cells.length) return;
      } while (!open(y * columns + x));
      cells[y * columns + x].focus();
    });
  });
}

const where = (cell) => `row ${Math.floor(cell / 3) + 1}, column ${(cell % 3) + 1}`;
