// The panel of samples: a sheet of images, points or lines of text, and the time of those that flow.
import { COLOURS, clearPlane, drawDots, drawImages, drawReal } from "./drawing.js";
import { button, element, withLabel, latest, panel, quarters, slider } from "./dom.js";
import { readLines } from "./lines.js";
import { seeded } from "./random.js";

// The numbers of images of a generator, of images that flow, of points, and of lines of text.
const COUNTS = { images: 64, flow: 16, points: 1000, flowPoints: 200, lines: 24 };

export class SamplesPanel {
  constructor(model, say) {
    Object.assign(this, { model, say, seed: 0 });
    const { flow, plane, vocabulary } = model.card;
    const images = flow ? COUNTS.flow : COUNTS.images;
    this.count = vocabulary ? COUNTS.lines : plane ? (flow ? COUNTS.flowPoints : COUNTS.points) : images;
    const kind = vocabulary ? "lines of text" : plane ? "points (red) and real ones (grey)" : "images";
    const what = `${this.count.toLocaleString("en")} ${kind}`;
    const text = flow ? `${what}, which start as noise; the slider pulls them back and forth along the flow.` : `${what}.`;
    this.sheet = vocabulary
      ? element("pre", { className: "lines", tabIndex: 0 })
      : element("canvas", { className: plane ? "plane" : "images", role: "img" });
    this.update = latest(() => this.compute());
    this.element = panel("Samples", text, this.sheet, this.makeControls());
    this.ready = this.update();
  }

  makeControls() {
    const input = element("input", { type: "number", min: 0, step: 1, value: 0, autocomplete: "off" });
    const set = (seed) => {
      this.seed = input.value = seed;
      this.update();
    };
    input.addEventListener("change", () => set(Math.max(0, Math.floor(Number(input.value)) || 0)));
    const controls = [withLabel("Seed", input), button("New samples", () => set(this.seed + 1))];
    if (this.model.card.flow) {
      const last = this.model.card.flow.times.length - 1;
      this.slider = slider({ min: 0, max: last, step: 1, value: last });
      this.output = element("output");
      this.slider.addEventListener("input", () => this.draw());
      controls.unshift(withLabel("Time", this.slider), this.output);
    }
    return element("div", { className: "controls" }, ...controls);
  }

  async compute() {
    const { seed, count } = this;
    this.say(`Drawing ${count} samples …`);
    const began = performance.now();
    const progress = quarters(this.say, `Drawing ${count} samples`);
    this.states = await this.model.states(count, this.model.draw(count, seeded(seed)), progress);
    this.say(`Drew ${count} samples with seed ${seed} in ${Math.round(performance.now() - began)} ms.`);
    this.draw();
  }

  draw() {
    if (!this.states) return;
    const { card } = this.model;
    const index = this.slider ? Number(this.slider.value) : 0;
    const x = this.states[index];
    if (this.slider) {
      this.output.textContent = card.flow.times[index].toFixed(2);
      this.slider.setAttribute("aria-valuetext", `time ${this.output.textContent}`);
    }
    this.sheet.setAttribute("aria-label", `${this.count} samples with seed ${this.seed}`);
    if (card.vocabulary) {
      this.sheet.textContent = readLines(x, card).join("\n");
      return;
    }
    if (!card.plane) return drawImages(this.sheet, x, card.shape, Math.ceil(Math.sqrt(this.count)));
    const context = clearPlane(this.sheet);
    drawReal(context, card.plane);
    drawDots(context, card.plane, x, { radius: 2.5, colour: COLOURS.generated });
  }
}
