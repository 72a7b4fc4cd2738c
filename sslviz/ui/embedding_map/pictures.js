// Thumbnails in the place of points, on a canvas above the plot, which goes on telling what lies under the pointer.

const IN_VIEW = 1500; // at most; of more every second, third … is drawn, and the others stay points

class Pictures {
  constructor(map, canvas) {
    this.map = map;
    this.canvas = canvas;
    this.size = 0; // CSS pixels of a picture's side; 0 draws none
  }

  // Once a frame, however often it is asked for.
  later() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.draw();
    });
  }

  draw() {
    const { map, canvas } = this;
    const { clientWidth: width, clientHeight: height } = map.frame;
    const scale = globalThis.devicePixelRatio || 1;
    if (canvas.width !== width * scale || canvas.height !== height * scale) {
      canvas.width = width * scale;
      canvas.height = height * scale;
    }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    canvas.dataset.drawn = this.size && map.ready ? this.paint(context, width, height) : 0;
  }

  // Returns how many were drawn.
  paint(context, width, height) {
    const { map, size } = this;
    const { points } = map;
    const theme = themeOf(map.root);
    const inView = [];
    for (const row of map.shown) {
      const spot = spotOf(map.plot, points, row);
      if (spot && spot[0] > -size && spot[1] > -size && spot[0] < width + size && spot[1] < height + size) inView.push([row, spot]);
    }
    const step = Math.ceil(inView.length / IN_VIEW);
    const stamp = (row, [x, y], rim, colour) => {
      context.fillStyle = colour;
      context.fillRect(x - size / 2 - rim, y - size / 2 - rim, size + 2 * rim, size + 2 * rim);
      return this.tile(context, points, row, x - size / 2, y - size / 2);
    };
    let drawn = 0;
    for (let place = 0; place < inView.length; place += step) {
      const [row, spot] = inView[place];
      const faded = map.chosen.size && !map.chosen.has(points.ids[row]);
      context.globalAlpha = faded ? 0.15 : 1;
      drawn += stamp(row, spot, 2, colourOf(points, row, theme));
    }
    context.globalAlpha = 1;
    // Above all others the current image and its neighbours, joined as the points below are.
    const current = points.rows.get(map.current);
    const near = map.guest ? [] : current === undefined ? [] : points.nearest(current);
    const from = near.length ? spotOf(map.plot, points, current) : null;
    const ends = near.map((row) => [row, spotOf(map.plot, points, row)]).filter(([, spot]) => spot && from);
    context.strokeStyle = theme.text;
    context.lineWidth = 2;
    for (const [, [x, y]] of ends) {
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(x, y);
      context.stroke();
    }
    for (const [row, spot] of ends) stamp(row, spot, 3, theme.text);
    if (from) stamp(current, from, 5, theme.accent);
    return drawn;
  }

  tile(context, points, row, x, y) {
    const sprites = globalThis.sslvizSprites?.get(points.sprites);
    const tile = points.tiles[row];
    const sheet = sprites?.sheets[Math.floor(tile / sprites.each)];
    if (!sheet) return 0;
    if (!sheet.image) {
      sheet.image = new Image();
      sheet.image.src = sheet.url;
    }
    if (!sheet.image.complete) {
      sheet.image.addEventListener("load", () => this.later(), { once: true });
      return 0;
    }
    const place = tile % sprites.each;
    const from = [place % sprites.columns, Math.floor(place / sprites.columns)].map((one) => one * sprites.tile);
    context.drawImage(sheet.image, ...from, sprites.tile, sprites.tile, x, y, this.size, this.size);
    return 1;
  }
}
