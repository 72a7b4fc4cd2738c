// A bar for each block of a network, beside that of the network untrained; a click chooses the block.

function part(kind, name, text) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

const percent = (share) => `${Math.round(100 * share)}%`;

function bars(root, data, choose) {
  const shares = data.blocks.flatMap((block) => [block.share, block.other]).concat(data.lines.map((line) => line.share));
  const top = Math.min(1, Math.max(0.05, ...shares.filter((share) => share != null)) * 1.18);
  const height = (share) => `${(100 * share) / top}%`;
  const plot = part("div", "bb-plot");
  const names = part("div", "bb-names");
  for (const block of data.blocks) {
    const button = part("button");
    button.type = "button";
    button.dataset.block = block.name;
    button.setAttribute("aria-pressed", String(block.name === data.current));
    const said = [`${block.name}: ${percent(block.share)}`];
    const bar = part("div", "bb-bar");
    bar.style.height = height(block.share);
    bar.append(part("span", "", percent(block.share)));
    button.append(bar);
    if (block.other != null) {
      const other = part("div", "bb-bar bb-other");
      other.style.height = height(block.other);
      button.append(other);
      said.push(`untrained ${percent(block.other)}`);
    }
    button.title = said.join(", ");
    button.setAttribute("aria-label", said.join(", "));
    button.onclick = () => choose(block.name);
    plot.append(button);
    const name = part("span", "", block.name);
    if (block.name === data.current) name.dataset.current = "";
    names.append(name);
  }
  for (const one of data.lines) {
    const line = part("div", "bb-line");
    line.style.bottom = height(one.share);
    plot.append(line);
  }
  const key = part("div", "bb-key");
  for (const [name, kind] of [["trained", ""], ["untrained", "bb-other"]]) {
    const entry = part("span");
    entry.append(part("i", kind), name);
    key.append(entry);
  }
  for (const one of data.lines) {
    const entry = part("span");
    entry.append(part("i", "bb-dash"), `${one.name} ${percent(one.share)}`);
    key.append(entry);
  }
  root.replaceChildren(plot, names, key);
}

export default function ({ parentElement, data, setTriggerValue }) {
  bars(parentElement.querySelector(".bb"), data, (name) => setTriggerValue("clicked", name));
}
