// Random numbers that a seed determines.

// Returns a function that draws uniform numbers in [0, 1): the generator mulberry32.
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Draws an array of "normal" or "uniform" numbers, or of "whole" ones below a number. Normal ones are
// drawn by the method of Box and Muller.
export function draw({ draw: kind, below }, count, uniform) {
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const whole = () => BigInt(Math.floor(below * uniform()));
  const [type, one] = {
    normal: [Float32Array, normal],
    uniform: [Float32Array, uniform],
    whole: [BigInt64Array, whole],
  }[kind];
  return type.from({ length: count }, one);
}

// Returns the latent at a share t of the way from a to b, on the sphere for normal numbers.
export function between(kind, a, b, t) {
  const norm = (x) => Math.hypot(...x);
  const cosine = a.reduce((sum, x, i) => sum + x * b[i], 0) / (norm(a) * norm(b));
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const straight = kind !== "normal" || Math.sin(angle) < 1e-3;
  const [u, v] = straight
    ? [1 - t, t]
    : [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
  return a.map((x, i) => u * x + v * b[i]);
}
