// The pieces that the board is made of: marks, chips, tiles. Text is only ever set as text.

function part(kind, name, text) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  if (kind === "button") element.type = "button";
  return element;
}

function mark(look) {
  const element = part("i", "em-mark");
  wear(element, look);
  return element;
}

function wear(element, look) {
  element.style.setProperty("--em-mark", look.color);
  element.dataset.shape = look.symbol;
}

const percent = (share) => (share >= 0.995 && share < 1 ? ">99%" : `${Math.round(100 * share)}%`);

// The children of `parent` are made to be those of `items`, by key. What stays is not touched, so that neither a click
// on its way nor the focus is lost.
function sync(parent, items, make, fill) {
  const have = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    let child = have.get(item.key);
    have.delete(item.key);
    if (!child) {
      child = make(item);
      child.dataset.key = item.key;
    }
    fill(child, item);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  for (const child of have.values()) child.remove();
}

function makeTile(board, id) {
  const tile = part("div", "nb-tile");
  tile.dataset.id = id;
  const picture = part("button", "nb-picture");
  const thumb = part("div", "em-thumb");
  const badge = part("span", "nb-badge");
  badge.append(part("i", "em-mark"), part("b"));
  const tick = part("span", "nb-tick", "✓");
  const verdict = part("span", "er-mark");
  for (const one of [tick, verdict]) one.setAttribute("aria-hidden", "true");
  picture.append(thumb, badge, tick, verdict);
  picture.onclick = () => board.click(id);
  const caption = part("button", "nb-guess");
  caption.append(part("i", "em-mark"), part("span"), part("b"));
  tile.onpointerenter = (event) => event.pointerType === "mouse" && (board.over = id);
  tile.onpointerleave = () => board.over === id && (board.over = null);
  tile.append(picture, caption);
  return tile;
}

function fillTile(board, tile, item) {
  const [picture, caption] = tile.children;
  const [thumb, badge, , verdict] = picture.children;
  const name = board.nameOf(item.id);
  const look = name === null ? null : board.look(name);
  const chosen = board.chosen.has(item.id);
  tile.dataset.named = name === null ? "" : "yes";
  tile.dataset.chosen = chosen ? "yes" : "";
  thumb.dataset.row = item.row;
  badge.hidden = name === null;
  if (look) {
    wear(badge.firstChild, look);
    badge.lastChild.textContent = name;
    tile.style.setProperty("--nb-own", look.color);
  }
  const guess = item.guess === null || item.guess === undefined ? null : board.data.names[item.guess];
  const asked = guess !== null && guess !== undefined && name === null;
  caption.style.visibility = asked ? "visible" : "hidden";
  caption.tabIndex = asked ? 0 : -1;
  if (asked) {
    wear(caption.firstChild, board.look(guess));
    caption.children[1].textContent = `${guess}?`;
    caption.lastChild.textContent = percent(item.certainty);
    caption.title = `Name it ${guess}`;
    caption.setAttribute("aria-label", `Proposed: ${guess}, ${percent(item.certainty)} certain. Name it so.`);
    caption.onclick = () => board.name([item.id], guess);
  }
  const judged = item.right !== null && item.right !== undefined && name === null;
  verdict.hidden = !judged;
  if (judged) {
    verdict.dataset.same = String(item.right);
    verdict.textContent = item.right ? "✓" : "✕";
  }
  const said = judged ? `, ${item.right ? "right" : "wrong"} by its label` : "";
  picture.title = item.file;
  picture.setAttribute("aria-label", `${item.file}, ${name === null ? "not named" : `named ${name}`}${said}`);
  picture.setAttribute("aria-pressed", String(chosen));
}

function paint(board) {
  const { root, data } = board;
  const large = globalThis.sslvizLarge;
  for (const tile of root.querySelectorAll(".nb-tile")) {
    const thumb = tile.querySelector(".em-thumb");
    const url = tile.closest(".nb-batch") && large?.get(`${data.sprites} ${tile.dataset.id}`);
    if (url) {
      thumb.style.background = `url("${url}") center / cover`;
    } else if (thumb.clientWidth) {
      paintThumb(thumb, data.sprites, Number(thumb.dataset.row), thumb.clientWidth);
    }
  }
}
