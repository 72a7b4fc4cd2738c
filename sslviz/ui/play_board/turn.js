// Rotation: the picture is turned upright, a quarter at a time.

class Turn {
  constructor(data, board) {
    this.board = board;
    this.quarters = 0; // to the right; may go on round and round, so that the picture never spins back
    this.done = "This way is up";
    this.hint = "Turn it with the buttons, a click, or the arrow keys.";
    const left = part("button", "pb-round", "↺");
    const right = part("button", "pb-round", "↻");
    left.setAttribute("aria-label", "Turn left");
    right.setAttribute("aria-label", "Turn right");
    left.onclick = () => this.turn(-1);
    right.onclick = () => this.turn(1);
    this.picture = part("button", "pb-picture");
    this.picture.append(picture(data.views[0], "The picture to be turned upright"));
    this.picture.onclick = () => this.turn(1);
    this.picture.setAttribute("aria-label", "The picture. Left and right arrow turn it, Enter is done.");
    this.picture.onkeydown = (event) => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        event.preventDefault();
        this.turn(event.key === "ArrowRight" ? 1 : -1);
      } else if (event.key === "Enter") {
        event.preventDefault();
        if (!event.repeat) board.finish();
      }
    };
    this.element = part("div", "pb-turn");
    this.element.append(left, this.picture, right);
    this.first = this.picture;
  }

  turn(by) {
    this.quarters += by;
    this.picture.firstChild.style.transform = `rotate(${90 * this.quarters}deg)`;
    const now = (((this.quarters % 4) + 4) % 4) * 90;
    this.board.say(now ? `Turned by ${now} degrees to the right` : "As it was");
  }

  answer() {
    return ((this.quarters % 4) + 4) % 4;
  }
}
