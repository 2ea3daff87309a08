// The arithmetic of everything other than windows: linear layers, sums, normalization, activations, softmax.

import { inks, signed } from "./colors.js";
import { el, sized } from "./dom.js";
import { extent, formOf, mapOf } from "./maps.js";
import { number, percent } from "./numbers.js";
import { scrolling } from "./overview.js";
import { nodeOf, state } from "./state.js";
import { convolution, pooling } from "./window.js";

const LISTED = 14;

/** The view for a kind of arithmetic: { element, show(answer, input), theme? }. */
export function viewOf(here, answer, choose) {
  const product = answer.inputs?.some((i) => i.kernel) ? dense : summands;
  const make = {
    conv: convolution, max_pool: pooling, avg_pool: pooling, linear: dense, add: summands, product,
    norm: pipeline, activation: curve, softmax: shares,
  }[answer.kind];
  const usable = make && (answer.kind === "norm" || answer.inputs?.some((i) => i.patch));
  return (usable ? make : pipeline)(here, answer, choose);
}

/** A dense layer: the products that weigh most, largest first. */
function dense(here) {
  const body = el("tbody");
  const rest = el("p", { class: "soft" });
  const element = el("div", { class: "dense" },
    scrolling("Products, largest first",
      el("table", { class: "terms" }, el("thead", {}, el("tr", {}, ["input", "value", "× weight", "= product", ""].map((t) => el("th", { scope: "col", text: t })))), body)),
    rest);
  let last = null;
  function show(next) {
    last = next;
    const terms = flat(next.inputs).sort((a, b) => Math.abs(b.p) - Math.abs(a.p));
    const most = Math.abs(terms[0]?.p ?? 1) || 1;
    const source = nodeOf(here.model, next.input_nodes?.[0] ?? null);
    const label = source?.label ?? "input";
    body.replaceChildren(...terms.slice(0, LISTED).map((t) => el("tr", {},
      el("td", { text: `${label} ${t.index}` }), num(t.x), num(t.w), num(t.p), el("td", {}, bar(t.p, most)))));
    const others = terms.slice(LISTED);
    const more = next.inputs.find((i) => i.rest)?.rest ?? next.rest ?? null;
    const count = others.length + (more?.count ?? 0);
    const sum = others.reduce((a, t) => a + t.p, 0) + (more?.sum ?? 0);
    rest.textContent = count ? `${number(count)} smaller products sum to ${number(sum, 4)}` : "";
  }
  return { element, show, theme: () => last && show(last) };
}

const num = (value) => el("td", { class: "n", text: number(value, 4) });

/** Each product of a dense layer, whether it comes one an input or as one long row. */
function flat(inputs) {
  const out = [];
  for (const one of inputs) {
    if (one.channel === undefined) continue;
    one.patch.forEach((row, i) => row.forEach((x, j) => {
      const w = one.kernel?.[i]?.[j] ?? null;
      const single = one.patch.length * row.length === 1;
      out.push({ index: single ? one.channel : i * row.length + j, x, w, p: one.products?.[i]?.[j] ?? x * (w ?? 1) });
    }));
  }
  return out;
}

function bar(value, most) {
  const made = el("i", { class: "len" });
  const { background } = signed(Math.sign(value), 1);
  made.style.width = `${(Math.abs(value) / most) * 5}rem`;
  made.style.background = background;
  return made;
}

/** Residual and other sums: what comes together, from where. */
function summands(here) {
  const element = el("div", { class: "terms-row" });
  function show(next) {
    const parts = [];
    (next.inputs ?? []).filter((i) => i.patch).forEach((one, i) => {
      const source = nodeOf(here.model, next.input_nodes?.[i] ?? null);
      if (i) parts.push(el("span", { class: "op", text: next.kind === "product" ? "×" : "+" }));
      parts.push(card(source ? nameOf(source) : `input ${i + 1}`, one.patch[0][0]));
    });
    parts.push(el("span", { class: "op", text: "=" }), card(here.node.label, next.value, "result"));
    element.replaceChildren(...parts);
  }
  return { element, show };
}

const nameOf = (node) => (node.name && !node.name.endsWith(node.label) ? `${node.name} ${node.label}` : node.name || node.label);

const card = (label, value, look = "") => el("div", { class: `step ${look}` }, el("span", { class: "soft", text: label }), el("b", { text: number(value, 5) }));

/** Steps from what comes in to what goes out: batch norm, and whatever tells its steps. */
function pipeline(here) {
  const element = el("div", { class: "terms-row" });
  function show(next) {
    const steps = next.steps?.length ? next.steps : (next.inputs ?? []).filter((i) => i.patch?.length === 1 && i.patch[0].length === 1).map((i) => ({ label: "input", value: i.patch[0][0] }));
    const parts = steps.flatMap((one, i) => [i ? el("span", { class: "op", text: "›", "aria-hidden": "true" }) : null, card(one.label, one.value, i === steps.length - 1 ? "result" : "")]).filter(Boolean);
    if (!parts.length) parts.push(card(here.node.label, next.value, "result"));
    element.replaceChildren(...parts);
  }
  return { element, show };
}

const erf = (x) => {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
  return Math.sign(x) * y;
};
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const CURVES = {
  relu: (x) => Math.max(0, x), relu6: (x) => Math.min(6, Math.max(0, x)), tanh: Math.tanh, sigmoid,
  silu: (x) => x * sigmoid(x), gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)), softplus: (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, x),
  scaledtanh: (x) => 1.7159 * Math.tanh((2 * x) / 3), hardtanh: (x) => Math.max(-1, Math.min(1, x)),
  hardsigmoid: (x) => Math.max(0, Math.min(1, x / 6 + 0.5)), hardswish: (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)),
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))), identity: (x) => x,
};

/** An activation: its curve, or the pairs of this very image, and the point of this unit. */
function curve(here) {
  const canvas = el("canvas", { role: "img" });
  const row = el("div", { class: "terms-row" });
  const element = el("div", { class: "activation" }, canvas, row);
  let last = null;
  function show(next) {
    last = next;
    const x = next.inputs?.[0]?.patch?.[0]?.[0] ?? next.steps?.[0]?.value ?? null;
    const y = next.value;
    row.replaceChildren(card("input", x), el("span", { class: "op", text: "→" }), card(`${here.node.op}`, y, "result"));
    const f = CURVES[here.node.op.toLowerCase().replace(/_|\d+d$/g, "")];
    plot(f ?? null, f ? [] : pairs(here, next), x, y);
    canvas.setAttribute("aria-label", `Curve of ${here.node.op} with the point ${number(x, 3)}, ${number(y, 3)}`);
  }

  function plot(f, points, x, y) {
    const [width, height] = [240, 170];
    const ctx = sized(canvas, width, height);
    const { ink, line, soft, link, mark } = inks();
    const reach = Math.max(1.5, Math.abs(x ?? 0) * 1.25, ...points.map((p) => Math.abs(p[0])));
    const xs = Array.from({ length: 121 }, (_, i) => -reach + (2 * reach * i) / 120);
    const curve = f ? xs.map((v) => [v, f(v)]) : points;
    const top = Math.max(0.5, y ?? 0, ...curve.map((p) => p[1])) * 1.1;
    const low = Math.min(-0.25 * top, y ?? 0, ...curve.map((p) => p[1])) * 1.1;
    const px = (v) => ((v + reach) / (2 * reach)) * width;
    const py = (v) => height - ((v - low) / (top - low)) * height;
    ctx.clearRect(0, 0, width, height);
    stroke(ctx, line, 1, [[0, py(0)], [width, py(0)]]);
    stroke(ctx, line, 1, [[px(0), 0], [px(0), height]]);
    if (f) stroke(ctx, link, 2, curve.map(([a, b]) => [px(a), py(b)]));
    else for (const [a, b] of points) disc(ctx, link, px(a), py(b), 1.5);
    if (x === null) return;
    stroke(ctx, soft, 1, [[px(x), py(0)], [px(x), py(y)], [px(0), py(y)]], [3, 3]);
    disc(ctx, mark, px(x), py(y), 5);
    ctx.fillStyle = ink;
  }
  return { element, show, theme: () => last && show(last) };
}

function stroke(ctx, color, width, points, dash = []) {
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.beginPath();
  points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.stroke();
  ctx.setLineDash([]);
}

function disc(ctx, color, x, y, radius) {
  ctx.fillStyle = color;
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.fill();
}

/** What goes in and comes out at up to 300 places of this map. */
function pairs(here, next) {
  const source = nodeOf(here.model, next.input_nodes?.[0] ?? null);
  if (!source) return [];
  const channel = formOf(here.node) === "numbers" ? 0 : state.channel;
  const [a, b] = [mapOf(here.model, source.id, channel), mapOf(here.model, here.node.id, channel)];
  if (!a || !b || extent(a).join() !== extent(b).join()) return [];
  const every = Math.max(1, Math.floor(a.bytes.length / 300));
  const of = (map, i) => map.lo + ((map.hi - map.lo) * map.bytes[i]) / 255;
  const out = [];
  for (let i = 0; i < a.bytes.length; i += every) out.push([of(a, i), of(b, i)]);
  return out;
}

/** Softmax: from logits to shares that sum to one. */
function shares(here) {
  const body = el("tbody");
  const steps = el("div", { class: "terms-row" });
  const element = el("div", { class: "dense" },
    scrolling("From logits to probabilities",
      el("table", { class: "terms" }, el("thead", {}, el("tr", {}, ["class", "logit z", "exp(z − max)", "probability", ""].map((t) => el("th", { scope: "col", text: t })))), body)), steps);
  function show(next) {
    const known = next.inputs.filter((i) => i.patch);
    const max = Math.max(...known.map((i) => i.patch[0][0]));
    const names = state.about.models[here.model].classes ?? [];
    body.replaceChildren(...[...known].sort((a, b) => b.patch[0][0] - a.patch[0][0]).slice(0, LISTED).map((one) => {
      const z = one.patch[0][0];
      const p = one.sum ?? one.products?.[0]?.[0] ?? null;
      return el("tr", { class: one.channel === state.channel ? "here" : "" }, el("td", { text: names[one.channel] ?? String(one.channel) }), num(z), num(Math.exp(z - max)), el("td", { class: "n", text: percent(p) }), el("td", {}, bar(p ?? 0, 1)));
    }));
    steps.replaceChildren(...(next.steps ?? []).map((one) => card(one.label, one.value)));
  }
  return { element, show };
}

