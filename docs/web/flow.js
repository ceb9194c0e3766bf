// The paths of points in a field: the Runge-Kutta method of order 4.

// Returns the states at some times, a step apart. `velocity(x, time)` returns a promise of an array.
export async function solve(velocity, start, times, progress = () => {}) {
  const states = [start];
  for (let i = 1; i < times.length; i++) {
    const [time, size] = [times[i - 1], times[i] - times[i - 1]];
    const x = states[i - 1];
    const add = (k, share) => x.map((value, j) => value + share * size * k[j]);
    const k1 = await velocity(x, time);
    const k2 = await velocity(add(k1, 1 / 2), time + size / 2);
    const k3 = await velocity(add(k2, 1 / 2), time + size / 2);
    const k4 = await velocity(add(k3, 1), time + size);
    states.push(x.map((value, j) => value + (size / 6) * (k1[j] + 2 * k2[j] + 2 * k3[j] + k4[j])));
    progress(i / (times.length - 1));
  }
  return states;
}
