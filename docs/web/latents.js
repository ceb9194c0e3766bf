// The panel of latents: two sliders walk between the latents of four samples.
import { COLOURS, clearPlane, drawDots, drawImages, drawReal } from "./drawing.js";
import { button, element, withLabel, latest, panel, slider } from "./dom.js";
import { readLines } from "./lines.js";
import { between, seeded } from "./random.js";

const TEXT = "The sliders walk between the latents of four samples";

export class LatentsPanel {
  constructor(model, say) {
    Object.assign(this, { model, say, seed: 0, visited: [] });
    const { plane, vocabulary } = model.card;
    const [tag, role] = vocabulary ? ["pre", {}] : ["canvas", { role: "img" }];
    const kind = vocabulary ? "lines" : plane ? "plane" : "image";
    this.sheet = element(tag, { className: kind, ...role });
    this.sheet.setAttribute("aria-label", "The sample of the latents between four");
    const corners = vocabulary ? "lines" : "images corners";
    this.corners = element(tag, { className: corners, ...role, "aria-label": "The four samples" });
    const pictures = plane ? [this.sheet] : [this.corners, this.sheet];
    const shown = vocabulary || plane ? pictures : [element("div", { className: "beside" }, ...pictures)];
    const where = vocabulary
      ? ": the upper ones."
      : plane ? " (blue). Red points are what lies between them." : ": the small ones, in the corners.";
    this.element = panel("Between latents", TEXT + where, ...shown, this.makeControls());
    this.update = latest(() => this.compute());
    this.ready = this.choose(0);
  }

  makeControls() {
    this.sliders = ["Across", "Down"].map((text) => {
      const input = slider({ min: 0, max: 1, step: 0.01, value: 0.5 });
      input.addEventListener("input", () => this.update());
      return [text, input];
    });
    const next = button("Four others", () => this.choose(this.seed + 1));
    const sliders = this.sliders.map(([text, input]) => withLabel(text, input));
    return element("div", { className: "controls" }, ...sliders, next);
  }

  // Draws four latents and their samples.
  async choose(seed) {
    const { name } = this.model.latents;
    const drawn = this.model.draw(4, seeded(1000 + seed))[name];
    const size = drawn.length / 4;
    const latents = [0, 1, 2, 3].map((i) => drawn.slice(i * size, (i + 1) * size));
    const samples = (await this.model.states(4, { [name]: drawn })).at(-1);
    Object.assign(this, { seed, chosen: latents, samples, visited: [] });
    const { card } = this.model;
    if (card.vocabulary) this.corners.textContent = readLines(samples, card).join("\n");
    else if (!card.plane) drawImages(this.corners, samples, card.shape, 2);
    await this.update();
  }

  async compute() {
    const { name, draw } = this.model.latents;
    const [across, down] = this.sliders.map(([, input]) => Number(input.value));
    const [a, b, c, d] = this.chosen;
    const z = between(draw, between(draw, a, b, across), between(draw, c, d, across), down);
    const began = performance.now();
    const x = (await this.model.states(1, { [name]: z })).at(-1);
    this.say(`A sample between four: ${Math.round(performance.now() - began)} ms.`);
    this.draw(x);
  }

  draw(x) {
    const { shape, plane, vocabulary } = this.model.card;
    if (vocabulary) {
      [this.sheet.textContent] = readLines(x, this.model.card);
      return;
    }
    if (!plane) return drawImages(this.sheet, x, shape, 1);
    this.visited.push(...x);
    const context = clearPlane(this.sheet);
    drawReal(context, plane);
    drawDots(context, plane, this.samples, { radius: 9, colour: COLOURS.corner, outline: "#ffffff" });
    drawDots(context, plane, this.visited, { radius: 2.5, colour: COLOURS.generated });
    drawDots(context, plane, x, { radius: 7, colour: COLOURS.generated, outline: "#ffffff" });
  }
}
