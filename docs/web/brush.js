// A canvas that shows an image, into which holes are painted by mouse, touch or keyboard.
import { drawImages } from "./drawing.js";
import { element } from "./dom.js";

// The colours of a hole, and of the pixels that the brush covers, which are shown for the keyboard.
const HOLE = "#d1495b";
const CURSOR = "#3d94ffb0";
const ABOUT = "An image. Arrow keys move the brush, with Shift faster; Space or Enter paints a hole.";
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Brush {
  // `painted` and `moved` are called when the hole has changed, and when a key has moved the brush.
  constructor([channels, height, width], painted, moved) {
    Object.assign(this, { shape: [channels, height, width], width, height, painted, moved });
    // That of the spots with which models that fill holes are trained.
    this.radius = Math.max(1, Math.floor(Math.min(width, height) / 16));
    this.known = new Float32Array(width * height).fill(1);
    this.place = [Math.floor(width / 2), Math.floor(height / 2)];
    this.canvas = element("canvas", { className: "image", tabIndex: 0, role: "application", "aria-label": ABOUT });
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.trail(event));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    this.canvas.addEventListener("focus", () => this.draw());
    this.canvas.addEventListener("blur", () => this.point(false));
  }

  // The number of pixels in the hole.
  get count() {
    return this.known.reduce((sum, value) => sum + 1 - value, 0);
  }

  // Shows another image, with the same hole.
  show(y) {
    this.y = y;
    this.draw();
  }

  clear() {
    this.setKnown(this.known.map(() => 1));
  }

  // Makes a hole of a square of half the width in the middle, as `energy-gans inpaint` does.
  cutSquare() {
    const side = Math.floor(Math.min(this.width, this.height) / 2);
    const inside = (k, size) => k >= Math.floor((size - side) / 2) && k < Math.floor((size - side) / 2) + side;
    this.setKnown(this.known.map((_, k) => {
      const [i, j] = [k % this.width, Math.floor(k / this.width)];
      return inside(i, this.width) && inside(j, this.height) ? 0 : 1;
    }));
  }

  begin(event) {
    if (event.button !== 0) return;
    this.point(true);
    this.canvas.setPointerCapture(event.pointerId);
    this.place = this.at(event);
    this.paint([this.place]);
  }

  // Paints from the pixel of the last event to that of this one, without gaps.
  trail(event) {
    if (!(event.buttons & 1) || !this.canvas.hasPointerCapture(event.pointerId)) return;
    const [from, to] = [this.place, this.at(event)];
    const steps = Math.max(1, ...to.map((end, i) => Math.abs(end - from[i])));
    const between = (k) => from.map((start, i) => Math.round(start + (k / steps) * (to[i] - start)));
    const way = Array.from({ length: steps }, (_, k) => between(k + 1));
    this.place = to;
    this.paint(way);
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const i = Math.floor(((event.clientX - box.left) * this.width) / box.width);
    const j = Math.floor(((event.clientY - box.top) * this.height) / box.height);
    return this.inImage([i, j]);
  }

  inImage([i, j]) {
    return [Math.min(this.width - 1, Math.max(0, i)), Math.min(this.height - 1, Math.max(0, j))];
  }

  // Hides what the brush covers while a pointer is used.
  point(pointing) {
    this.pointing = pointing;
    this.draw();
  }

  press(event) {
    this.point(false);
    if (event.key === "Enter" || event.key === " ") this.paint([this.place]);
    else if (MOVES[event.key]) {
      const step = event.shiftKey ? 4 : 1;
      this.place = this.inImage(this.place.map((x, i) => x + step * MOVES[event.key][i]));
      this.draw();
      this.moved();
    } else return;
    event.preventDefault();
  }

  paint(places) {
    const known = this.known.slice();
    for (const place of places) for (const k of this.covered(place)) known[k] = 0;
    this.setKnown(known);
  }

  // Returns the indices of the pixels that the brush covers at a place.
  covered([i, j]) {
    const { radius, width, height } = this;
    const found = [];
    for (let b = -radius; b <= radius; b++) {
      for (let a = -radius; a <= radius; a++) {
        const inside = i + a >= 0 && i + a < width && j + b >= 0 && j + b < height;
        if (inside && a * a + b * b <= radius * radius) found.push((j + b) * width + i + a);
      }
    }
    return found;
  }

  setKnown(known) {
    this.known = known;
    this.draw();
    this.painted();
  }

  draw() {
    if (!this.y) return;
    drawImages(this.canvas, this.y, this.shape, 1);
    const context = this.canvas.getContext("2d");
    const fill = (colour, indices) => {
      context.fillStyle = colour;
      for (const k of indices) context.fillRect(k % this.width, Math.floor(k / this.width), 1, 1);
    };
    fill(HOLE, [...this.known.keys()].filter((k) => this.known[k] === 0));
    if (document.activeElement === this.canvas && !this.pointing) fill(CURSOR, this.covered(this.place));
  }
}
