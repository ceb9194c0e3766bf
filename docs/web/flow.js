// The paths of points in a field: the Runge-Kutta method of order 4 by the 3/8 rule, as PyTorch's `rk4`.

// Returns the states at some times, a step apart. `velocity(x, time)` returns a promise of an array,
// and `progress` is told the share of steps that are done.
export async function solve(velocity, start, times, progress = () => {}) {
  const states = [start];
  for (let i = 1; i < times.length; i++) {
    const [time, size] = [times[i - 1], times[i] - times[i - 1]];
    const x = states[i - 1];
    const add = (...slopes) => x.map((value, j) => slopes.reduce((sum, [share, k]) => sum + share * size * k[j], value));
    const k1 = await velocity(x, time);
    const k2 = await velocity(add([1 / 3, k1]), time + size / 3);
    const k3 = await velocity(add([-1 / 3, k1], [1, k2]), time + (2 * size) / 3);
    const k4 = await velocity(add([1, k1], [-1, k2], [1, k3]), time + size);
    states.push(add([1 / 8, k1], [3 / 8, k2], [3 / 8, k3], [1 / 8, k4]));
    progress(i / (times.length - 1));
  }
  return states;
}
