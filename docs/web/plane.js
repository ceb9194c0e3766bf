// The panel of the plane: the learned potential, and particles that a visitor drops into its field.
import { COLOURS, SIDE, clearPlane, coordinates, drawDots } from "./drawing.js";
import { button, element, withLabel, latest, panel, quarters, slider } from "./dom.js";
import { HeatMap } from "./heat.js";
import { drawCursor, drawParticles, interpolate, pathsOf } from "./particles.js";
import { seeded } from "./random.js";
import { idle } from "./runtime.js";

// The number of particles of noise, and of the states of those that follow a potential.
const NOISE = 100;
const STATES = 40;
// The milliseconds in which all states are played, and the step of the cursor as a share of the plane.
const DURATION = 4000;
const CURSOR = 1 / 40;
const MEANING = "Colours are light where the learned potential is high, and arrows point along its gradient. ";
// What a potential means, by the dynamics of the model's samples.
const POTENTIALS = {
  flow: "Noise that follows its gradient until the last time becomes samples. ",
  chains: "Samples climb it with noise in each step, which particles here do not have. ",
  null: "At the end of the training, it is high where real samples (grey) lack generated ones. ",
};
const USE =
  "Click to drop a particle, or use the arrow keys and Enter. Particles start at time 0, and the slider pulls them " +
  "back and forth.";

export class PlanePanel {
  constructor(model, say) {
    Object.assign(this, { model, say, random: seeded(0), state: 0, playing: false, closed: false });
    const { low, high } = model.card.plane;
    const { flow } = model.card;
    // In this time, a field of mean size moves a particle by half of the plane.
    const duration = (high[0] - low[0]) / 2;
    this.times = flow?.times ?? Array.from({ length: STATES + 1 }, (_, i) => (duration * i) / STATES);
    this.heat = new HeatMap(model, flow?.potential_times ?? [1]);
    this.cursor = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
    this.particles = [];
    this.waiting = [];
    this.element = panel("Field", MEANING + POTENTIALS[model.card.dynamics] + USE, this.makeCanvas(), this.makeControls());
    this.ready = this.start();
  }

  makeCanvas() {
    const about = "The potential in the plane. Arrow keys move the cursor, with Shift faster; Enter drops a particle.";
    this.canvas = element("canvas", { className: "plane", tabIndex: 0, role: "application", "aria-label": about });
    this.canvas.addEventListener("click", (event) => this.dropHere(this.at(event)));
    this.canvas.addEventListener("pointermove", (event) => this.trail(event));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    for (const name of ["focus", "blur"]) this.canvas.addEventListener(name, () => this.draw());
    return this.canvas;
  }

  makeControls() {
    const last = this.times.length - 1;
    this.slider = slider({ min: 0, max: last, step: "any", value: 0 });
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value), false));
    this.slider.addEventListener("keydown", (event) => {
      // The browser's step of a slider without steps is small.
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      this.show(Math.min(last, Math.max(0, Math.round(this.state) + way)), false);
    });
    this.output = element("output");
    this.play = button("Play", () => this.toggle());
    return element(
      "div", { className: "controls" },
      withLabel("Time", this.slider), this.output, this.play,
      button(`Drop ${NOISE} of noise`, () => this.drop(this.noise())),
      button("Remove all", () => this.clear()),
    );
  }

  // Computes the first potential, and lets noise move in it.
  async start() {
    this.draw();
    this.say("Computing the potential …");
    await this.heat.compute(0);
    // Particles move in units of the mean gradient, as potentials have arbitrary units.
    if (!this.model.has("field")) this.model.unit = this.heat.maps[0].size;
    this.draw();
    await this.drop(this.noise());
    this.complete = this.fill();
  }

  // Computes the potential where it is missing, first at the present time.
  async fill() {
    for (let i; !this.closed && (i = this.heat.missing(this.mapState)) >= 0; ) {
      await this.heat.compute(i, idle);
      this.draw();
    }
  }

  // The state in units of the maps, of which there is only one if the potential does not change.
  get mapState() {
    return (this.state * (this.heat.times.length - 1)) / (this.times.length - 1);
  }

  noise() {
    const { low, high } = this.model.card.plane;
    const { flow } = this.model.card;
    if (flow) return rows(this.model.draw(NOISE, this.random).x.map((value) => flow.omega * value));
    return Array.from({ length: NOISE }, () => low.map((a, i) => a + this.random() * (high[i] - a)));
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const pixel = (x, start, size) => ((x - start) * SIDE) / size;
    return coordinates(this.model.card.plane).toPlane(
      pixel(event.clientX, box.left, box.width), pixel(event.clientY, box.top, box.height),
    );
  }

  // Drops particles along the way of a mouse whose button is pressed.
  trail(event) {
    if (event.pointerType !== "mouse" || event.buttons !== 1) return;
    const point = this.at(event);
    const step = CURSOR * (this.model.card.plane.high[0] - this.model.card.plane.low[0]);
    if (this.trailed && Math.hypot(point[0] - this.trailed[0], point[1] - this.trailed[1]) < step) return;
    this.trailed = point;
    this.dropHere(point);
  }

  // Drops a particle, and tells the page, which drops it into the other model's field, too.
  dropHere(point) {
    this.element.dispatchEvent(new CustomEvent("particle", { bubbles: true, detail: point }));
    this.drop([point]);
  }

  press(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const { low, high } = this.model.card.plane;
    if (event.key === "Enter" || event.key === " ") this.dropHere([...this.cursor]);
    else if (moves[event.key]) {
      const step = (event.shiftKey ? 4 : 1) * CURSOR * (high[0] - low[0]);
      this.cursor = this.cursor.map((x, i) => Math.min(high[i], Math.max(low[i], x + step * moves[event.key][i])));
      this.sayCursor();
      this.draw();
    } else return;
    event.preventDefault();
  }

  sayCursor() {
    const map = this.heat.nearest(this.mapState);
    const potential = map ? `, potential ${this.heat.value(map, ...this.cursor).toPrecision(3)}` : "";
    this.say(`Cursor at (${this.cursor.map((x) => x.toFixed(2)).join(", ")})${potential}.`);
  }

  // Follows dropped points along the field, those of several clicks together.
  drop(points) {
    this.waiting.push(...points);
    this.follow ??= latest(async () => {
      const n = this.waiting.length;
      if (!n) return;
      const start = Float32Array.from(this.waiting.splice(0).flat());
      const what = `${n} ${n === 1 ? "particle" : "particles"}`;
      this.say(`Following ${what} along the field …`);
      const began = performance.now();
      const states = await this.model.follow(start, n, this.times, quarters(this.say, `Following ${what}`));
      if (this.closed) return;
      this.particles.push(...pathsOf(states, n));
      this.say(`Followed ${what} in ${Math.round(performance.now() - began)} ms.`);
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.show(still ? this.times.length - 1 : 0, !still);
    });
    return this.follow();
  }

  clear() {
    this.particles = [];
    this.say("All particles are removed.");
    this.show(0, false);
  }

  toggle() {
    const atEnd = this.state >= this.times.length - 1;
    this.show(atEnd ? 0 : this.state, !this.playing);
  }

  // Shows a state, and plays on from there or stops.
  show(state, playing) {
    const begins = playing && !this.playing;
    Object.assign(this, { state, playing });
    this.play.textContent = playing ? "Pause" : "Play";
    this.slider.value = state;
    this.draw();
    if (begins) this.animate();
  }

  animate() {
    const last = this.times.length - 1;
    let before = performance.now();
    const tick = (now) => {
      if (!this.playing || this.closed) return;
      this.frame?.(now - before);
      const state = Math.min(last, this.state + (last * Math.max(0, now - before)) / DURATION);
      before = now;
      this.show(state, state < last);
      if (this.playing) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  draw() {
    const context = clearPlane(this.canvas);
    const { plane } = this.model.card;
    context.drawImage(this.backgroundOf(this.heat.nearest(this.mapState)), 0, 0);
    drawParticles(context, plane, this.particles, this.state);
    if (document.activeElement === this.canvas) drawCursor(context, plane, this.cursor);
    const time = interpolate(this.times.map((t) => [t]), this.state)[0];
    this.output.textContent = time.toFixed(2);
    this.slider.setAttribute("aria-valuetext", `time ${time.toFixed(2)}`);
  }

  // Returns a canvas with a map and the real points, which is drawn anew only for another map.
  backgroundOf(map) {
    if (this.background && this.drawn === map) return this.background;
    this.background ??= element("canvas");
    this.drawn = map;
    const context = clearPlane(this.background);
    if (map) this.heat.draw(context, map);
    const { plane } = this.model.card;
    drawDots(context, plane, plane.real.flat(), { radius: 2, colour: COLOURS.real, outline: "#ffffff80" });
    return this.background;
  }

  close() {
    this.closed = true;
  }
}

// Returns the points (u, v) of a flat array.
function rows(values) {
  return Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i], values[2 * i + 1]]);
}
