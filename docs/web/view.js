// A model on the page: its card, and a panel for each thing that it can do.
import { element, withLabel } from "./dom.js";
import { FillPanel } from "./fill.js";
import { LatentsPanel } from "./latents.js";
import { Model } from "./model.js";
import { PlanePanel } from "./plane.js";
import { SamplesPanel } from "./samples.js";

export class View {
  // `changed` is called when another model is chosen.
  constructor(cards, name, say, changed) {
    Object.assign(this, { cards, say, panels: [] });
    const options = cards.map((card) => element("option", { value: card.name }, card.name));
    this.select = element("select", { autocomplete: "off" }, ...options);
    this.select.value = name;
    this.select.addEventListener("change", () => {
      this.open(this.select.value);
      changed();
    });
    this.content = element("div", { className: "content" });
    this.element = element("article", { className: "view" }, withLabel("Model", this.select), this.content);
    this.open(name);
  }

  get name() {
    return this.select.value;
  }

  open(name) {
    this.model = new Model(this.cards.find((card) => card.name === name));
    this.content.replaceChildren(...describe(this.model.card));
    if (this.model.card.classes) this.content.append(this.classChoice());
    this.body = this.content.appendChild(element("div", { className: "panels" }));
    this.show();
  }

  classChoice() {
    const numbers = Array.from({ length: this.model.card.classes }, (_, i) => element("option", { value: i }, `${i}`));
    const select = element("select", { autocomplete: "off" }, ...numbers);
    select.addEventListener("change", () => {
      this.model.label = Number(select.value);
      this.show();
    });
    return withLabel("Class", select);
  }

  show() {
    this.close();
    const { model } = this;
    // Nothing is said of a model that is no longer shown.
    const say = (text) => this.model === model && this.say(`${model.card.name}: ${text}`);
    this.panels = panelsOf(model).map((Panel) => new Panel(model, say));
    this.body.replaceChildren(...this.panels.map((panel) => panel.element));
  }

  // Drops a particle into the field of the model, if it has one.
  drop(point) {
    this.panels.forEach((panel) => panel.drop?.([point]));
  }

  close() {
    this.panels.forEach((panel) => panel.close?.());
    this.panels = [];
  }
}

// Returns the panels of what a model can do.
function panelsOf(model) {
  const samples = model.has("sampler") || model.card.flow;
  return [
    ...(model.has("potential") && model.card.plane ? [PlanePanel] : []),
    ...(model.has("fill") ? [FillPanel] : []),
    ...(samples ? [SamplesPanel] : []),
    ...(samples && model.latents ? [LatentsPanel] : []),
  ];
}

// Returns what the card of a model says.
function describe(card) {
  const numbers = Object.entries(card.numbers).flatMap(([name, value]) => [
    element("dt", {}, name),
    element("dd", {}, value),
  ]);
  const help = element("a", { href: "../howto/read_the_numbers.html" }, "How to read the numbers");
  const data = card.data ? ` of ${card.data}` : "";
  const steps = card.steps ? `, ${card.steps.toLocaleString("en")} steps` : "";
  return [
    element("h2", {}, `${card.method}${data}${steps}`),
    element("p", {}, card.about),
    ...(numbers.length ? [element("details", {}, element("summary", {}, "Numbers"), element("dl", {}, ...numbers), help)] : []),
  ];
}
