// A tile of a sheet of thumbnails as an element's background. Sheets arrive through sprites.js.

function paintThumb(element, set, tile, width) {
  const sprites = globalThis.sslvizSprites?.get(set);
  const sheet = sprites?.sheets[Math.floor(tile / sprites.each)];
  element.dataset.tile = tile;
  element.style.backgroundImage = sheet ? `url("${sheet.url}")` : "none";
  if (!sheet) return false;
  const place = tile % sprites.each;
  const column = place % sprites.columns;
  const row = Math.floor(place / sprites.columns);
  element.style.backgroundSize = `${sprites.columns * width}px ${sheet.rows * width}px`;
  element.style.backgroundPosition = `${-column * width}px ${-row * width}px`;
  return true;
}
