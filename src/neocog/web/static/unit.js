// The arithmetic of one unit: its receptive field, how its value is computed, and the sliding window.

import { Refused, nearest, unit as askUnit } from "./api.js";
import { byId, el, icon, say, toast, write } from "./dom.js";
import { inputMap, outputMap } from "./figures.js";
import { refresh, settled } from "./live.js";
import { formOf, mapOf, sides, strongest } from "./maps.js";
import { number } from "./numbers.js";
import { fieldWords } from "./stage.js";
import { isSeries, nodeOf, set, state } from "./state.js";
import { viewOf } from "./terms.js";
import { explainArithmetic } from "./words.js";

const SPEEDS = { slow: 1100, steady: 420, fast: 120, race: 16 };
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** The arithmetic of the chosen unit of a node; drawn into a box. */
export function open(node, box) {
  const model = state.model;
  const here = { node, model, answer: null, input: null, playing: false, asking: false, again: false, closed: false, speed: "steady", timer: 0, view: null };
  if (!state.unit) set({ unit: strongest(node, mapOf(model, node.id, state.channel)) ?? middle(node) });
  here.out = outputMap(here, { pick: (unit) => go(here, unit), channel: (channel) => set({ channel }) });
  here.ins = [0, 1].map((which) => inputMap(here, which));
  here.body = el("div", { class: "sum" });
  here.total = el("p", { class: "total", id: "total" });
  here.chain = el("p", { class: "chain" });
  here.sees = el("p", { class: "hint", id: "sees" });
  here.words = el("p", { class: "hint", id: "formula" });
  const controls = player(here);
  box.append(el("div", { class: "unit" },
    controls,
    el("div", { class: "flow" }, here.ins.map((one) => one.element), el("div", { class: "middle" }, here.body, here.total, here.words), here.out.element),
    el("div", { class: "beneath" }, here.chain, here.sees)));
  ask(here);
  return {
    update: (why) => update(here, why),
    needs: () => needs(here),
    close: () => {
      here.closed = true;
      here.playing = false;
      clearTimeout(here.timer);
    },
  };
}

const middle = (node) => {
  const [rows, columns] = sides(node);
  return { row: Math.floor(rows / 2), col: Math.floor(columns / 2) };
};

function needs({ node, answer, input }) {
  const list = [{ node: node.id, channels: [formOf(node) === "numbers" ? 0 : state.channel] }];
  for (const [i, id] of (answer?.input_nodes ?? []).entries()) {
    const source = nodeOf(state.model, id);
    if (!source || i > 3) continue;
    const channel = formOf(source) === "numbers" ? 0 : answer.kind === "add" ? state.channel : (input ?? 0);
    list.push({ node: id, channels: [Math.min(channel, source.shape[0] - 1)] });
  }
  return list;
}

function update(here, why) {
  if (why === "unit") {
    if (here.number) here.number.value = state.channel;
    here.out.paint();
    ask(here);
    refreshOnce(here);
  } else if (why === "frames") {
    here.out.paint();
    for (const one of here.ins) one.paint();
    if (here.frame !== state.frames[here.model]) {
      here.frame = state.frames[here.model];
      later(here);
    }
  } else {
    here.out.paint();
    for (const one of here.ins) one.paint();
    here.view?.theme?.();
  }
}

/** The map of another channel may not be here yet. */
function refreshOnce(here) {
  const channel = formOf(here.node) === "numbers" ? 0 : state.channel;
  if (!mapOf(here.model, here.node.id, channel)) refresh();
}

/** While the image moves, its steps come first; the numbers follow a moment later. */
function later(here) {
  if (here.timer || (here.answer && here.of === stamp())) return;
  here.timer = setTimeout(() => {
    here.timer = 0;
    ask(here);
  }, 70);
}

const stamp = () => `${state.image}|${JSON.stringify(state.motion)}`;

async function ask(here) {
  if (here.closed || !state.unit || !state.image) return;
  if (here.asking) {
    here.again = true;
    return;
  }
  here.asking = true;
  const { node, model } = here;
  const of = stamp();
  const asked = { model, image: state.image, motion: state.motion, node: node.id, channel: state.channel, row: state.unit.row, col: state.unit.col };
  const wanted = nearest(asked);
  if (wanted !== asked) set({ channel: wanted.channel, unit: { row: wanted.row, col: wanted.col } });
  try {
    const answer = await askUnit(wanted);
    if (!here.closed && state.node === node.id) {
      here.of = of;
      show(here, answer);
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    here.playing = false;
    if (state.about.saved) return empty(here, error.message);
    // What was wrong with an image that nobody looks at any more is of no interest.
    if (error.status !== 409 && wanted.image === state.image) toast(error.message, "fault");
  } finally {
    here.asking = false;
    if (here.again) {
      here.again = false;
      await ask(here);
    }
  }
}

/** A saved page without the arithmetic of this layer says so. */
function empty(here, message) {
  here.view = null;
  here.answer = null;
  here.body.replaceChildren(el("p", { class: "soft", text: message }));
  for (const part of [here.total, here.chain]) part.replaceChildren();
  for (const part of [here.words, here.sees]) part.textContent = "";
}

function show(here, answer) {
  const first = here.answer === null;
  here.answer = answer;
  const channels = (answer.inputs ?? []).filter((i) => i.channel !== undefined);
  if (!channels.some((i) => i.channel === here.input)) here.input = heaviest(channels)?.channel ?? null;
  const kind = `${answer.kind}:${channels[0]?.patch?.length}x${channels[0]?.patch?.[0]?.length}`;
  if (here.view?.kind !== kind) {
    here.view = viewOf(here, answer, (channel) => chooseInput(here, channel));
    here.view.kind = kind;
    here.body.replaceChildren(here.view.element);
    here.body.dataset.kind = answer.kind;
  }
  here.view.show(answer, here.input);
  for (const one of here.ins) one.show(answer, here.input);
  here.out.paint();
  here.words.textContent = answer.formula ?? "";
  write(byId("explain"), explainArithmetic(answer.kind));
  total(here, answer);
  if (state.field !== answer.field) set({ field: answer.field ?? null });
  here.sees.textContent = fieldWords(answer.field, here.model) ? `Its receptive field, framed on the ${isSeries(here.model) ? "series" : "image"}, ${fieldWords(answer.field, here.model)}.` : "";
  if (first) refresh();
  if (!here.playing) follow(here, answer);
}

/** The input map that weighs most in the sum. */
function heaviest(inputs) {
  return inputs.reduce((a, b) => (a === null || Math.abs(b.sum ?? 0) > Math.abs(a.sum ?? 0) ? b : a), null);
}

function chooseInput(here, channel) {
  here.input = channel;
  here.view.show(here.answer, channel);
  for (const one of here.ins) one.show(here.answer, channel);
  refresh();
}

function total(here, answer) {
  const parts = [];
  const term = (label, value) => parts.push(el("span", { class: "term" }, el("span", { class: "soft", text: label }), el("b", { text: number(value, 5) })));
  const summed = answer.kind === "conv" || answer.kind === "linear";
  if (summed) {
    term(answer.kind === "conv" ? "sum over channels" : "sum of products", answer.sum ?? 0);
    if (answer.bias !== null && answer.bias !== undefined) parts.push(el("span", { class: "op", text: "+" })), term("bias", answer.bias);
    else parts.push(el("span", { class: "soft", text: "(no bias)" }));
    const later = (answer.steps ?? []).slice(answer.bias === null || answer.bias === undefined ? 1 : 2);
    if (later.length) {
      parts.push(el("span", { class: "op", text: "=" }));
      term("sum + bias", (answer.sum ?? 0) + (answer.bias ?? 0));
      for (const one of later.slice(0, -1)) {
        parts.push(el("span", { class: "op", text: "›" }));
        term(one.label, one.value);
      }
      parts.push(el("span", { class: "soft", text: `› ${later.at(-1).label}` }));
    }
    parts.push(el("span", { class: "op", text: "=" }));
  }
  const agrees = answer.computed === null || answer.computed === undefined || Math.abs(answer.computed - answer.value) <= 2e-5 * sizeOf(answer);
  parts.push(el("span", { class: "term result" }, el("span", { class: "soft", text: `${here.node.label} ${place(here, answer)}` }),
    el("b", { id: "value", "data-value": answer.value, text: number(answer.computed ?? answer.value, 5) })));
  parts.push(el("span", { class: agrees ? "right" : "wrong", text: agrees ? "✓ equals PyTorch" : `✗ PyTorch: ${number(answer.value, 5)}` }));
  here.total.replaceChildren(...parts);
}

/** What the rounding of float32 is measured by: the numbers that were added, not their sum. */
function sizeOf({ value, bias, inputs, steps }) {
  const terms = (inputs ?? []).reduce((sum, one) => sum + Math.abs(one.sum ?? one.rest?.sum ?? 0), 0);
  const onTheWay = (steps ?? []).map((one) => Math.abs(one.value ?? 0));
  return Math.max(Math.abs(value), Math.abs(bias ?? 0), terms, ...onTheWay);
}

function place({ node }, { channel, row, col }) {
  if (node.shape.length === 1) return `[${channel}]`;
  return node.shape.length === 2 ? `[${channel}, ${col}]` : `[${channel}, ${row}, ${col}]`;
}

/** What becomes of the number: norms and activations that follow, at the same place. */
async function follow(here, answer) {
  const steps = [];
  let at = here.node;
  while (steps.length < 3) {
    const outs = state.graphs[here.model].edges.filter(([from]) => from === at.id).map(([, to]) => nodeOf(here.model, to));
    const next = outs.find((n) => ["norm", "activation"].includes(n.kind) && n.units && n.shape.join() === at.shape.join());
    if (!next) break;
    steps.push(next);
    at = next;
  }
  const { row, col } = state.unit;
  const channel = state.channel;
  const made = [];
  for (const node of steps) {
    try {
      const then = await askUnit({ model: here.model, image: state.image, motion: state.motion, node: node.id, channel, row, col });
      made.push([node, then.value]);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      break;
    }
    if (here.closed || here.answer !== answer) return;
  }
  const go = (node) => el("button", { type: "button", class: "quiet", text: node.label, onclick: () => set({ node: node.id, unit: { row, col } }) });
  here.chain.replaceChildren(...made.length ? [el("span", { class: "soft", text: "then" }),
    ...made.flatMap(([node, value]) => [el("span", { class: "op", text: "→" }), go(node), el("b", { text: number(value, 5) })])] : []);
}

function go(here, unit) {
  const [rows, columns] = sides(here.node);
  const row = Math.max(0, Math.min(rows - 1, unit.row));
  const col = Math.max(0, Math.min(columns - 1, unit.col));
  if (row !== state.unit?.row || col !== state.unit?.col) set({ unit: { row, col } });
}

/** Buttons that slide the kernel: one step, or all the way, pausable. */
function player(here) {
  const { node } = here;
  const [rows, columns] = sides(node);
  if (rows * columns < 2) return vectorStepper(here);
  const button = (label, sign, act, key, id) => el("button", { type: "button", id, class: "icon", "aria-label": label, title: label, "aria-keyshortcuts": key, onclick: act }, icon(sign));
  const play = button("Slide the window", "play", () => toggle(here), "Space");
  const speed = el("select", { "aria-label": "Speed", onchange: () => (here.speed = speed.value) }, Object.keys(SPEEDS).map((name) => el("option", { value: name, text: name })));
  speed.value = here.speed;
  play.id = "play";
  here.playButton = play;
  const bar = el("div", { class: "row player", role: "group", "aria-label": "Slide the window over the feature map" },
    button("First unit", "first", () => go(here, { row: 0, col: 0 })),
    button("Previous unit", "before", () => step(here, -1), ",", "unit-before"), play,
    button("Next unit", "after", () => step(here, 1), ".", "unit-after"), speed);
  bar.append(el("span", { class: "soft", text: channelWords(node) }), channelInput(here));
  return bar;
}

const channelWords = (node) => `${formOf(node) === "numbers" ? "unit" : "channel"} (of ${number(node.shape[0])}):`;

function channelInput(here) {
  const input = el("input", { type: "number", min: 0, max: here.node.shape[0] - 1, value: state.channel, "aria-label": formOf(here.node) === "numbers" ? "Unit" : "Channel", onchange: () => {
    const channel = Math.max(0, Math.min(here.node.shape[0] - 1, Math.round(Number(input.value)) || 0));
    input.value = channel;
    here.input = null;
    set({ channel });
  } });
  here.number = input;
  return input;
}

function vectorStepper(here) {
  if (here.node.shape[0] < 2) return null;
  return el("div", { class: "row player" }, el("span", { class: "soft", text: channelWords(here.node) }), channelInput(here));
}

/** One unit on or back, row after row. */
export function step(here, by) {
  const [rows, columns] = sides(here.node);
  const at = state.unit.row * columns + state.unit.col + by;
  const next = (at + rows * columns) % (rows * columns);
  go(here, { row: Math.floor(next / columns), col: next % columns });
}

async function toggle(here) {
  here.playing = !here.playing;
  paintPlay(here);
  const run = {};
  here.run = run;
  while (here.playing && !here.closed && here.run === run) {
    const began = performance.now();
    step(here, 1);
    await idle(here);
    await settled();
    const pause = still() ? Math.max(700, SPEEDS[here.speed]) : SPEEDS[here.speed];
    await new Promise((done) => setTimeout(done, Math.max(0, pause - (performance.now() - began))));
  }
  if (here.run !== run) return;
  paintPlay(here);
  here.out.paint();
  if (!here.closed && here.answer) follow(here, here.answer);
}

async function idle(here) {
  while (here.asking && !here.closed) await new Promise((done) => setTimeout(done, 4));
}

function paintPlay(here) {
  if (!here.playButton) return;
  here.playButton.replaceChildren(icon(here.playing ? "pause" : "play"));
  here.playButton.setAttribute("aria-label", here.playing ? "Pause" : "Slide the window");
  here.playButton.setAttribute("aria-pressed", String(here.playing));
  say(here.playing ? "The window slides." : "Paused.");
}

/** The button of the sliding, for the keyboard. */
export function playOrPause() {
  byId("play")?.click();
}
