// The page: one or two models, whose names are in the address, behind `#`.
import { check } from "./check.js";
import { load } from "./files.js";
import { View } from "./view.js";

const views = document.querySelector("#views");
const compare = document.querySelector("#compare");
const status = document.querySelector("#status");
const opened = [];

function say(text) {
  status.textContent = text;
}

function writeAddress() {
  history.replaceState(null, "", `#${opened.map((view) => view.name).join(",")}`);
}

function add(cards, name) {
  const view = new View(cards, name, say, writeAddress);
  opened.push(view);
  views.append(view.element);
}

function remove() {
  const view = opened.pop();
  view.close();
  view.element.remove();
}

async function start() {
  const { models, runtime } = await (await load("models.json")).json();
  const size = `The first visit loads ${runtime.megabytes} MB of onnxruntime-web ${runtime.version}.`;
  document.querySelector("#runtime").textContent = size;
  const names = models.map((card) => card.name);
  const asked = decodeURIComponent(location.hash.slice(1)).split(",");
  const [first = names[0], second] = asked.filter((name) => names.includes(name));
  if (new URLSearchParams(location.search).has("check")) {
    compare.disabled = true;
    await check(models, document.querySelector("#check"), say);
    return;
  }
  add(models, first);
  views.addEventListener("particle", (event) => {
    opened.filter((view) => !view.element.contains(event.target)).forEach((view) => view.drop(event.detail));
  });
  compare.checked = second !== undefined;
  if (second) add(models, second);
  compare.addEventListener("change", () => {
    if (compare.checked) add(models, names.find((name) => name !== opened[0].name) ?? first);
    else remove();
    writeAddress();
  });
}

// Errors stay on the page, as the status soon says something else. The console has them, too.
function fail(error) {
  const failure = document.querySelector("#failure");
  failure.hidden = false;
  failure.textContent = `Something went wrong: ${error.message}`;
}

addEventListener("error", (event) => fail(event.error ?? event));
addEventListener("unhandledrejection", (event) => fail(event.reason));
start();
