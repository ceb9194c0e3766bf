// Elements of the page, and what their events have in common.

// Creates an element with properties and children. Text is never read as HTML.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Creates a panel with a heading and, below what it shows, a sentence on that.
export function panel(title, text, ...children) {
  return element("section", { className: "panel" }, element("h3", {}, title), ...children, element("p", {}, text));
}

export function button(text, onclick) {
  return element("button", { type: "button", onclick }, text);
}

// Creates an input with a label around it.
export function withLabel(text, input) {
  return element("label", {}, element("span", {}, text), input);
}

export function slider(properties) {
  return element("input", { type: "range", autocomplete: "off", ...properties });
}

// Returns a function of the share of work that is done, which says each quarter.
export function quarters(say, what) {
  return (share) => share < 1 && (4 * share) % 1 === 0 && say(`${what} … ${100 * share}%`);
}

// Returns a function that runs `work` for its latest argument, one at a time.
export function latest(work) {
  let running = null;
  let next = null;
  const run = async () => {
    try {
      while (next) {
        const [value] = next;
        next = null;
        await work(value);
      }
    } finally {
      running = null;
    }
  };
  return (value) => {
    next = [value];
    running ??= run();
    return running;
  };
}
