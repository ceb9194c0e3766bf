// A trained model: what its card says, and its functions of arrays, whose rows are samples.
import { openFunction } from "./runtime.js";
import { solve } from "./flow.js";
import { draw } from "./random.js";

// The step of central differences, as a share of the side of the plane.
const DIFFERENCE = 1e-3;

const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

export class Model {
  constructor(card) {
    this.card = card;
    this.label = 0;
    // The gradient of a potential is divided by this number.
    this.unit = 1;
    this.size = product(card.shape);
  }

  has(name) {
    return name in this.card.functions;
  }

  // What the latents of samples are: the name of the input, its shape, and how it is drawn. It is
  // `null` if samples depend on more, or on whole numbers.
  get latents() {
    if (this.card.flow) return { name: "x", shape: [null, ...this.card.shape], draw: "normal" };
    const drawn = Object.entries(this.card.functions.sampler).filter(([, input]) => input.draw);
    const walks = drawn.length === 1 && drawn[0][1].draw !== "whole";
    return walks ? { name: drawn[0][0], ...drawn[0][1] } : null;
  }

  // Runs a function for n rows. Inputs that are not given are the label.
  async run(name, n, given) {
    const call = await openFunction(`${this.card.name}/${name}.onnx`);
    const inputs = {};
    for (const [input, { shape }] of Object.entries(this.card.functions[name])) {
      const data = given[input] ?? new BigInt64Array(n).fill(BigInt(this.label));
      inputs[input] = { data, shape: shape.map((size) => size ?? n) };
    }
    return call(inputs);
  }

  // Draws the random numbers that n samples depend on, by name.
  draw(n, uniform) {
    return drawInputs(this.card.flow ? { x: this.latents } : this.card.functions.sampler, n, uniform);
  }

  // Returns an image whose hole is filled, with random numbers if the model needs some. A mask is 1
  // where a pixel is known.
  fill(y, known, uniform) {
    return this.run("fill", 1, { y, known, ...drawInputs(this.card.functions.fill, 1, uniform) });
  }

  // Returns the states of n samples, as arrays: the last one, or all times of a flow.
  async states(n, drawn, progress) {
    const { flow } = this.card;
    if (!flow) return [await this.run("sampler", n, drawn)];
    const start = drawn.x.map((value) => flow.omega * value);
    return this.follow(start, n, flow.times, progress);
  }

  // Returns the states of n points that move along the field, at some times.
  follow(start, n, times, progress) {
    return solve((x, time) => this.velocity(x, n, time), start, times, progress);
  }

  potential(x, n, time) {
    return this.run("potential", n, { x, time: new Float32Array(n).fill(time) });
  }

  // Returns the field at n points: that of a flow, or else the gradient of the potential.
  velocity(x, n, time) {
    return this.has("field")
      ? this.run("field", n, { x, time: new Float32Array(n).fill(time) })
      : this.gradient(x, n);
  }

  // Returns the gradient of a potential in the plane by central differences.
  async gradient(x, n) {
    const h = DIFFERENCE * (this.card.plane.high[0] - this.card.plane.low[0]);
    const around = new Float32Array(8 * n);
    for (let i = 0; i < n; i++) {
      const [u, v] = [x[2 * i], x[2 * i + 1]];
      around.set([u + h, v, u - h, v, u, v + h, u, v - h], 8 * i);
    }
    const phi = await this.potential(around, 4 * n, 0);
    const scale = 1 / (2 * h * this.unit);
    return Float32Array.from(x, (_, j) => scale * (phi[2 * j] - phi[2 * j + 1]));
  }
}

// Draws the inputs that are random numbers, for n rows, by name.
function drawInputs(inputs, n, uniform) {
  const drawn = Object.entries(inputs).filter(([, input]) => input.draw);
  return Object.fromEntries(
    drawn.map(([name, input]) => [name, draw(input, product(input.shape.map((size) => size ?? n)), uniform)]),
  );
}
