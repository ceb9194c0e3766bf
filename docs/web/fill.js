// The panel of holes: a visitor paints a hole into a held-out image, and the model fills it.
import { Brush } from "./brush.js";
import { button, element, withLabel, latest, panel } from "./dom.js";
import { drawImages } from "./drawing.js";
import { load } from "./files.js";
import { seeded } from "./random.js";

const TEXT =
  "Paint a hole (red) into a held-out image with the mouse or a finger, or with the arrow keys and Space, and let the " +
  "model fill it. All other pixels stay as they are.";

export class FillPanel {
  constructor(model, say) {
    Object.assign(this, { model, say, random: seeded(0) });
    this.brush = new Brush(model.card.shape, () => this.forget(), () => this.sayPlace());
    this.filled = element("canvas", { className: "image", role: "img" });
    const pictures = element("div", { className: "pair" }, this.brush.canvas, this.filled);
    this.element = panel("Holes", TEXT, pictures, this.makeControls());
    this.update = latest(() => this.compute());
    this.ready = this.start();
  }

  makeControls() {
    const numbers = Array.from({ length: this.model.card.images }, (_, i) => element("option", { value: i }, `${i + 1}`));
    this.select = element("select", { autocomplete: "off" }, ...numbers);
    this.select.addEventListener("change", () => this.choose());
    return element(
      "div", { className: "controls" },
      withLabel("Image", this.select), button("Fill", () => this.update()), button("Clear", () => this.brush.clear()),
    );
  }

  // Loads the images, and fills a square in the first one.
  async start() {
    this.element.inert = true;
    const bytes = await (await load(`${this.model.card.name}/images.json`)).json();
    this.images = Float32Array.from(bytes, (byte) => byte / 127.5 - 1);
    this.element.inert = false;
    this.brush.cutSquare();
    await this.choose();
  }

  // Shows the chosen image with the same hole, and fills it.
  choose() {
    const { size } = this.model;
    const i = Number(this.select.value);
    this.brush.show(this.images.slice(i * size, (i + 1) * size));
    this.forget();
    return this.update();
  }

  // Removes the filled image, as the hole or the image is another one now.
  forget() {
    [this.filled.width, this.filled.height] = [this.brush.width, this.brush.height];
    this.filled.setAttribute("aria-label", "Nothing: the hole is not filled yet");
    this.say(`The hole has ${counted(this.brush.count)}.`);
  }

  sayPlace() {
    const [i, j] = this.brush.place;
    this.say(`The brush is in column ${i + 1} and row ${j + 1}. The hole has ${counted(this.brush.count)}.`);
  }

  async compute() {
    const { known, y, count } = this.brush;
    if (!count) return this.say("There is no hole to fill: paint one.");
    const what = `a hole of ${counted(count)}`;
    this.say(`Filling ${what} …`);
    const began = performance.now();
    const x = await this.model.fill(y, known, this.random);
    // It is another hole if a visitor has painted meanwhile.
    if (this.brush.known !== known || this.brush.y !== y) return;
    drawImages(this.filled, x, this.model.card.shape, 1);
    this.filled.setAttribute("aria-label", `The image with ${what}, filled`);
    this.say(`Filled ${what} in ${Math.round(performance.now() - began)} ms.`);
  }
}

function counted(pixels) {
  return `${pixels} ${pixels === 1 ? "pixel" : "pixels"}`;
}
