// Numbers as text, elements, and what is shown of the JSON in this page.

const CATEGORY_LABELS = {
  busy: "busy", programming: "programming", "wait-resource": "waiting for a resource",
  "blocked-output": "blocked by output", "wait-input": "waiting for input", finished: "finished",
};
const CATEGORIES = Object.keys(CATEGORY_LABELS);

/** What this page is about; filled in before anything is shown. */
const report = { summary: null, explanation: null };

/** An element with attributes, listeners (`onclick`) and children, which are elements or text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  return filled(made, attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "styles") for (const [key, text] of Object.entries(value)) made.style.setProperty(key, text);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

function bodyOf(section) {
  return document.querySelector(`#${section} > .body`);
}

/** A number with its thousands apart, and decimals only if it has some. */
function grouped(value, decimals = 2) {
  const [whole, rest] = Math.abs(value).toFixed(decimals).split(".");
  const fraction = rest === undefined ? "" : rest.replace(/0+$/, "");
  const digits = whole.replace(/\B(?=(\d{3})+$)/g, "\u2009");
  return (value < 0 ? "\u2212" : "") + digits + (fraction ? "." + fraction : "");
}

const cyclesText = (value) => grouped(value);
const percent = (share) => `${(100 * share).toFixed(1)}\u2009%`;

/** A value to four digits with the prefix that suits it: 1.758 µJ. */
function quantity(value, unit) {
  if (value === 0) return `0\u2009${unit}`;
  const prefixes = ["a", "f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P"];
  const power = Math.max(-18, Math.min(15, 3 * Math.floor(Math.log10(Math.abs(value)) / 3 + 1e-12)));
  const digits = Number((value / 10 ** power).toPrecision(4));
  return `${digits}\u2009${prefixes[power / 3 + 6]}${unit}`;
}

const seconds = (value) => quantity(value, "s");
const joules = (value) => quantity(value, "J");
const significant = (value) => (Math.abs(value) >= 1000 ? grouped(Number(value.toPrecision(4))) : String(Number(value.toPrecision(4))));

/** The value in `report` that a JSON pointer names, as `/summary/energy_j/total`. */
function lookup(pointer) {
  let value = report;
  for (const key of pointer.slice(1).split("/")) {
    if (value === null || value === undefined) return null;
    value = value[key.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return value === undefined ? null : value;
}

/** A number of the JSON as text; `data-from` tells which one. */
function shown(pointer, format) {
  const value = lookup(pointer);
  const text = value === null ? "\u2013" : format(value);
  return element("span", { class: "number", "data-from": pointer }, text);
}

const pointerKey = (key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1");

function pathText(path) {
  return element("span", { class: "path" }, path);
}

function shareBar(pointer) {
  const bar = element("i");
  bar.style.width = `${100 * Math.max(0, Math.min(1, lookup(pointer) ?? 0))}%`;
  return element("div", { class: "share" }, element("div", { class: "track" }, bar), shown(pointer, percent));
}

/** What to do so that a run like this one is recorded. */
function toRecord() {
  return report.summary.trace ? "run it anew without --trace (trace in Python), which keeps no intervals" : "run it anew with --out DIR, or record=True in Python";
}

/** A term and what it is, once for each pair. */
function pairs(list) {
  return element("dl", { class: "pairs" }, list.map(([term, told]) => [element("dt", {}, term), element("dd", {}, told)]));
}

/** Colours of a run's kinds of states. On a dark page waits and what is over are dark, and dark work is lighter. */
const DARK = { "wait-input": "#39434f", finished: "#1b2027" };
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;

function kindColour({ category, colour }) {
  if (!isDark()) return colour;
  return DARK[category] ?? (brightness(colour) < 80 ? mixed(colour, "#ffffff", 0.3) : colour);
}

const categoryColour = (category) => kindColour({ category, colour: report.colours[category] });

function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function rgb(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** A colour on the way from one to another. */
function mixed(from, to, share) {
  const end = rgb(to);
  const parts = rgb(from).map((part, i) => Math.round(part + (end[i] - part) * share));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** A colour between the three of the heat scale, for 0 to 1. */
function heatColour(share) {
  const at = Math.max(0, Math.min(1, share)) * 2;
  const low = Math.min(Math.floor(at), 1);
  return mixed(themeColour(`--heat-${low}`), themeColour(`--heat-${low + 1}`), at - low);
}

/** Ink that reads well on a colour of the heat scale. */
function inkOn(colour) {
  return brightness(colour) > 140 ? "#10161d" : "#ffffff";
}

function brightness(colour) {
  const [r, g, b] = rgb(colour);
  return 0.299 * r + 0.587 * g + 0.114 * b;
}

/** The heat scale from left to right, and what its ends stand for. */
function heatScale(told) {
  return element("span", { class: "scale" }, element("i"), told);
}

const tooltip = {
  show(event, content) {
    let box = document.getElementById("tooltip");
    if (box === null) document.body.append((box = element("div", { id: "tooltip", role: "status" })));
    box.replaceChildren(content);
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const right = event.clientX + 16 + width > innerWidth;
    box.style.left = `${Math.max(4, right ? event.clientX - width - 12 : event.clientX + 16)}px`;
    box.style.top = `${Math.max(4, Math.min(event.clientY + 16, innerHeight - height - 6))}px`;
  },
  hide() {
    const box = document.getElementById("tooltip");
    if (box !== null) box.hidden = true;
  },
};

/** Show on `target` what `content(event)` says, or nothing where it returns null. */
function addTooltip(target, content) {
  target.addEventListener("pointermove", (event) => {
    const told = content(event);
    if (told === null) tooltip.hide();
    else tooltip.show(event, told);
  });
  target.addEventListener("pointerleave", () => tooltip.hide());
}

/** Buttons of which one is chosen. */
function tabs(names, choose) {
  const buttons = names.map((name, index) => element("button", { role: "tab", onclick: () => select(index) }, name));
  function select(index) {
    buttons.forEach((button, other) => button.setAttribute("aria-selected", other === index));
    choose(index);
  }
  return { bar: element("span", { class: "tools", role: "tablist" }, buttons), select };
}
