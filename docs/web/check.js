// What the page finds out about itself at the address `?check`: differences from PyTorch, and times.
import { element } from "./dom.js";
import { load } from "./files.js";
import { Model } from "./model.js";
import { PlanePanel } from "./plane.js";

// The largest difference that is rounding, relative to the largest output.
const TOLERANCE = 1e-4;
// The number of frames that are measured.
const FRAMES = 60;

// Checks all models, writes a row for each result, and then says in `data-result` how it went.
export async function check(cards, section, say) {
  section.hidden = false;
  const table = section.appendChild(element("table"));
  const row = (tag, ...cells) => table.append(element("tr", {}, ...cells.map((cell) => element(tag, {}, cell))));
  row("th", "model", "what", "result");
  let failures = 0;
  for (const card of cards) {
    const reference = await (await load(`${card.name}/reference.json`)).json();
    for (const [name, expected] of Object.entries(reference)) {
      say(`Checking ${card.name}: ${name} …`);
      const found = difference(await outputs(new Model(card), name, expected), expected.output);
      failures += !(found < TOLERANCE);
      row("td", card.name, `${name}: difference from PyTorch`, found.toExponential(1));
    }
    if (!(card.plane && card.functions.potential)) continue;
    const times = await frameTimes(new Model(card), section, say);
    row("td", card.name, "plane: ms a frame, median and largest", times.map((time) => time.toFixed(1)).join(", "));
  }
  say(failures ? `${failures} results differ from PyTorch's.` : "All results are PyTorch's.");
  section.dataset.result = failures ? "failed" : "passed";
}

// Returns the outputs of a function for the inputs of its reference.
async function outputs(model, name, { inputs }) {
  const names = Object.keys(model.card.functions[name] ?? {});
  const given = Object.fromEntries(
    Object.entries(inputs).map(([key, values]) => {
      const whole = key === "label" || model.card.functions[name]?.[key].draw === "whole";
      return [key, whole ? BigInt64Array.from(values, BigInt) : Float32Array.from(values)];
    }),
  );
  if (name === "flow") {
    const n = given.x.length / model.size;
    return (await model.follow(given.x, n, model.card.flow.times)).at(-1);
  }
  const [first] = names;
  const { shape } = model.card.functions[name][first];
  const n = given[first].length / shape.reduce((size, side) => size * (side ?? 1), 1);
  return model.run(name, n, given);
}

function difference(found, expected) {
  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (found.length !== expected.length) return Infinity;
  return largest(expected.map((value, i) => value - found[i])) / largest(expected);
}

// Returns the median and the largest time between two frames while particles move in the plane and
// potentials are being computed.
async function frameTimes(model, section, say) {
  const plane = new PlanePanel(model, say);
  section.append(plane.element);
  await plane.ready;
  const times = [];
  plane.frame = (time) => {
    times.push(time);
    if (times.length === FRAMES) plane.close();
  };
  plane.show(0, true);
  await new Promise((resolve) => {
    const wait = () => (plane.playing && !plane.closed ? setTimeout(wait, 50) : resolve());
    wait();
  });
  plane.close();
  plane.element.remove();
  times.sort((a, b) => a - b);
  return [times[Math.floor(times.length / 2)], times[times.length - 1]];
}
