// The potential on a grid of the plane, at the times of the states, as a heat map with arrows.
import { SIDE, coordinates } from "./drawing.js";

// The points along a side of the grid, those of one call, and the distance of two arrows.
const GRID = 64;
const ROWS = 16;
const EVERY = 4;
// Colours do not resolve the lowest quarter of the potential.
const LOWEST = 0.25;
// ColorBrewer's YlGnBu, the colours of the site's pictures: light where the potential is high.
const SCALE = [
  [8, 29, 88], [37, 52, 148], [34, 94, 168], [29, 145, 192], [65, 182, 196], [127, 205, 187],
  [199, 233, 180], [237, 248, 177], [255, 255, 217],
];

export class HeatMap {
  // `times` are those at which the potential differs: one time if it does not change.
  constructor(model, times) {
    this.model = model;
    this.times = times;
    this.maps = times.map(() => null);
    const { low, high } = model.card.plane;
    this.step = (high[0] - low[0]) / GRID;
    this.points = new Float32Array(2 * GRID * GRID);
    for (let i = 0; i < GRID * GRID; i++) {
      this.points[2 * i] = low[0] + ((i % GRID) + 0.5) * this.step;
      this.points[2 * i + 1] = low[1] + (Math.floor(i / GRID) + 0.5) * this.step;
    }
  }

  // Computes the map of a time, in parts. `pause` is awaited before each of them.
  async compute(index, pause = () => {}) {
    const phi = new Float32Array(GRID * GRID);
    const count = ROWS * GRID;
    for (let from = 0; from < phi.length; from += count) {
      await pause();
      const part = this.points.subarray(2 * from, 2 * (from + count));
      phi.set(await this.model.potential(part, count, this.times[index]), from);
    }
    this.maps[index] = { phi, ...picture(phi), ...gradient(phi, this.step) };
  }

  // Returns the map of the time that is nearest to a state and known, or `null`.
  nearest(state) {
    const known = this.maps.map((map, i) => [Math.abs(i - state), map]).filter(([, map]) => map);
    return known.sort((a, b) => a[0] - b[0])[0]?.[1] ?? null;
  }

  // Returns the index of the missing map that is nearest to a state, or -1.
  missing(state) {
    const open = this.maps.map((map, i) => [Math.abs(i - state), i]).filter(([, i]) => !this.maps[i]);
    return open.sort((a, b) => a[0] - b[0])[0]?.[1] ?? -1;
  }

  // Returns the potential of a map at a point.
  value(map, u, v) {
    const { low } = this.model.card.plane;
    const cell = (x, start) => Math.min(GRID - 1, Math.max(0, Math.floor((x - start) / this.step)));
    return map.phi[cell(v, low[1]) * GRID + cell(u, low[0])];
  }

  draw(context, map) {
    context.imageSmoothingQuality = "high";
    context.drawImage(map.picture, 0, 0, SIDE, SIDE);
    drawArrows(context, this.model.card.plane, map, this.points);
  }
}

// Returns a canvas with a pixel for each point, the first row of points at the bottom, and which are light.
function picture(phi) {
  const sorted = phi.slice().sort();
  const low = sorted[Math.floor(LOWEST * sorted.length)];
  const range = sorted[sorted.length - 1] - low || 1;
  const image = new ImageData(GRID, GRID);
  const light = Array.from(phi, (value, i) => {
    const level = Math.min(1, Math.max(0, (value - low) / range)) * (SCALE.length - 1);
    const below = Math.min(SCALE.length - 2, Math.floor(level));
    const row = GRID - 1 - Math.floor(i / GRID);
    const colour = SCALE[below].map((c, k) => c + (level - below) * (SCALE[below + 1][k] - c));
    image.data.set([...colour, 255], 4 * (row * GRID + (i % GRID)));
    return level > SCALE.length / 2;
  });
  const canvas = new OffscreenCanvas(GRID, GRID);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return { picture: canvas, light };
}

// Returns the gradient at all points of the grid, by differences of neighbours, and its mean size.
function gradient(phi, step) {
  const slopes = new Float32Array(2 * phi.length);
  const inside = (i) => Math.min(GRID - 1, Math.max(0, i));
  let squares = 0;
  for (let i = 0; i < phi.length; i++) {
    const [row, column] = [Math.floor(i / GRID), i % GRID];
    const [left, right] = [inside(column - 1), inside(column + 1)];
    const [down, up] = [inside(row - 1), inside(row + 1)];
    const u = (phi[row * GRID + right] - phi[row * GRID + left]) / ((right - left) * step);
    const v = (phi[up * GRID + column] - phi[down * GRID + column]) / ((up - down) * step);
    slopes.set([u, v], 2 * i);
    squares += u * u + v * v;
  }
  return { slopes, size: Math.sqrt(squares / phi.length) };
}

// Draws arrows along the gradient, dark where the map is light.
function drawArrows(context, plane, { slopes, light }, points) {
  const { toPixels } = coordinates(plane);
  const length = (0.7 * EVERY * SIDE) / GRID;
  context.lineWidth = 1.3;
  for (const [dark, colour] of [[true, "rgba(0, 0, 0, 0.55)"], [false, "rgba(255, 255, 255, 0.65)"]]) {
    context.strokeStyle = colour;
    context.beginPath();
    for (let row = EVERY / 2; row < GRID; row += EVERY) {
      for (let i = row * GRID + EVERY / 2; i < (row + 1) * GRID; i += EVERY) {
        if (light[i] !== dark) continue;
        const [u, v] = slopes.subarray(2 * i, 2 * i + 2);
        const size = Math.hypot(u, v) || 1;
        arrow(context, ...toPixels(points[2 * i], points[2 * i + 1]), u / size, -v / size, length);
      }
    }
    context.stroke();
  }
}

// Adds an arrow of a length along a unit vector to the path, centred at a pixel.
function arrow(context, x, y, dx, dy, length) {
  const [tipX, tipY] = [x + (dx * length) / 2, y + (dy * length) / 2];
  context.moveTo(x - (dx * length) / 2, y - (dy * length) / 2);
  context.lineTo(tipX, tipY);
  for (const side of [-1, 1]) {
    context.moveTo(tipX, tipY);
    context.lineTo(tipX - 0.3 * length * (dx - side * 0.6 * dy), tipY - 0.3 * length * (dy + side * 0.6 * dx));
  }
}
