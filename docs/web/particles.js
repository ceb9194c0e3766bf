// Particles in the plane, each with its path: its points at all states of the time.
import { COLOURS, coordinates, drawDots } from "./drawing.js";

// Returns the paths of n particles, whose points at a state are the rows of an array.
export function pathsOf(states, n) {
  return Array.from({ length: n }, (_, i) => states.map((x) => [x[2 * i], x[2 * i + 1]]));
}

// Returns the point of a path between two of its states.
export function interpolate(path, state) {
  const below = Math.min(path.length - 1, Math.floor(state));
  const above = Math.min(path.length - 1, below + 1);
  return path[below].map((x, i) => x + (state - below) * (path[above][i] - x));
}

// Draws particles at a state, and the ways that they have come.
export function drawParticles(context, plane, paths, state) {
  const { toPixels } = coordinates(plane);
  Object.assign(context, { strokeStyle: COLOURS.generated, lineWidth: 1.5, globalAlpha: 0.6 });
  context.beginPath();
  for (const path of paths) {
    context.moveTo(...toPixels(...path[0]));
    for (const point of path.slice(1, Math.floor(state) + 1)) context.lineTo(...toPixels(...point));
    context.lineTo(...toPixels(...interpolate(path, state)));
  }
  context.stroke();
  context.globalAlpha = 1;
  const points = paths.flatMap((path) => interpolate(path, state));
  drawDots(context, plane, points, { radius: 5, colour: COLOURS.generated, outline: "#ffffff" });
}

// Draws a cross around a point.
export function drawCursor(context, plane, point) {
  const [x, y] = coordinates(plane).toPixels(...point);
  for (const [colour, width] of [["#000000", 5], ["#ffffff", 2]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 16 * dx, y + 16 * dy);
    }
    context.stroke();
  }
}
