// What the network says: bars for the classes, beside what it said of the unmoved picture; Grad-CAM.

import { byId, el, roving, say, tabStop, write } from "./dom.js";
import { refresh } from "./live.js";
import { number, percent } from "./numbers.js";
import { nodeOf, on, set, shown, state } from "./state.js";

/** Classes that are listed; fewer where two lists stand above each other. */
const most = () => (state.both ? 5 : 10);
const panels = [null, null];
let layers = null;
let camNote = null;

/** Bars that follow the frames. */
export function start() {
  on("graphs both model", rebuild);
  on("frames", follow);
  on("cam node", showCam);
  on("cam", refresh);
  camBox();
}

function rebuild() {
  const box = byId("answers");
  const models = shown();
  if (models.every((m) => panels[m]) && box.childElementCount === models.length && models.length === 2) return follow();
  box.replaceChildren();
  panels.fill(null);
  for (const model of models) {
    const title = state.both
      ? el("h3", { class: "which" }, el("span", { class: `letter m${model}`, text: "AB"[model] }), state.about.models[model].name)
      : null;
    const verdict = el("p", { class: "verdict" });
    const list = el("ul", { class: "bars", "aria-label": `Classes of ${state.about.models[model].name}` });
    roving(list, "button");
    panels[model] = { model, verdict, list, rows: new Map(), picture: null };
    const maps = state.about.models[model].task === "segment";
    const note = maps ? el("p", { class: "hint", text: "Each class with its share of the pixels." }) : null;
    box.append(el("div", { class: "panel" }, title, verdict, note, list));
  }
  return follow();
}

function follow() {
  for (const panel of panels.filter(Boolean)) {
    const frame = state.frames[panel.model];
    if (frame) fill(panel, frame);
    else clear(panel);
  }
  showCam();
}

function clear(panel) {
  panel.verdict.replaceChildren();
  panel.list.replaceChildren();
  panel.rows.clear();
}

function fill(panel, frame) {
  const { answer, base } = frame;
  if (!answer?.probabilities?.length) return values(panel, answer);
  const first = base?.probabilities?.length ? base : answer;
  tellVerdict(panel, answer, first);
  const now = new Map(answer.probabilities.map((one) => [one.class, one]));
  const then = new Map(first.probabilities.map((one) => [one.class, one]));
  const order = ordered(panel, answer, first);
  const truth = answer.truth?.index ?? answer.truth ?? null;
  for (const index of order) {
    const one = now.get(index) ?? { ...then.get(index), p: null };
    row(panel, index, one.name, one.p, base ? then.get(index)?.p : null, truth === index, answer.probabilities[0].class === index);
  }
  prune(panel, order);
  return undefined;
}

/** Classes in the order of the unmoved picture, so that rows stay where they are while it moves. */
function ordered(panel, answer, first) {
  const order = first.probabilities.slice(0, most()).map((one) => one.class);
  const top = answer.probabilities[0].class;
  if (!order.includes(top)) order.splice(order.length >= most() ? most() - 1 : order.length, 1, top);
  return order;
}

function row(panel, index, name, p, before, truth, top) {
  let made = panel.rows.get(index);
  if (!made) {
    const label = el("span", { class: "name" });
    const value = el("span", { class: "p" });
    const bar = el("i");
    const tick = el("b");
    const button = el("button", { type: "button", tabindex: "-1", title: "Grad-CAM for this class", onclick: () => camFor(panel.model, index) },
      label, value, el("span", { class: "track", "aria-hidden": "true" }, bar, tick));
    made = { item: el("li", {}, button), button, label, value, bar, tick };
    panel.rows.set(index, made);
  }
  write(made.label, name);
  write(made.value, percent(p));
  made.bar.style.width = `${(p ?? 0) * 100}%`;
  made.tick.hidden = before === null || before === undefined;
  made.tick.style.left = `${(before ?? 0) * 100}%`;
  made.item.className = `${truth ? "truth" : ""} ${top ? "top" : ""}`;
  made.button.setAttribute("aria-label", `${name}, ${percent(p)}${truth ? ", the truth" : ""}`);
  const aimed = state.cam && state.cam.target === index && state.model === panel.model;
  made.button.setAttribute("aria-pressed", String(Boolean(aimed)));
}

function prune(panel, order) {
  const wanted = order.map((index) => panel.rows.get(index));
  for (const [index, made] of panel.rows) {
    if (order.includes(index)) continue;
    made.item.remove();
    panel.rows.delete(index);
  }
  wanted.forEach((made, i) => {
    if (panel.list.children[i] !== made.item) panel.list.insertBefore(made.item, panel.list.children[i] ?? null);
  });
  const buttons = wanted.map((made) => made.button);
  tabStop(buttons, buttons.find((b) => b.tabIndex === 0));
}

function tellVerdict(panel, answer, first) {
  const [top] = answer.probabilities;
  const was = first.probabilities[0];
  const truth = answer.truth?.name ?? null;
  const right = answer.truth !== null && answer.truth !== undefined && (answer.truth.index ?? answer.truth) === top.class;
  const changed = was.class !== top.class;
  if (panel.told !== undefined && panel.told !== top.class) say(`${state.both ? `${"AB"[panel.model]}: ` : ""}the answer is ${top.name}`);
  panel.told = top.class;
  const key = [top.name, changed && was.name, truth, right].join("\n");
  if (panel.verdict.childElementCount && panel.key === key) return;
  panel.key = key;
  panel.verdict.className = `verdict ${changed ? "changed" : ""}`;
  panel.verdict.replaceChildren(...[
    el("strong", { text: top.name }),
    changed ? el("span", { class: "mark", text: `was ${was.name}` }) : null,
    truth === null ? null : el("span", { class: right ? "right" : "wrong", text: right ? "✓ right" : `✗ is ${truth}` }),
  ].filter(Boolean));
}

/** A model that answers with numbers and not with classes. */
function values(panel, answer) {
  panel.verdict.replaceChildren();
  panel.rows.clear();
  const list = answer?.values ?? [];
  panel.list.replaceChildren(...list.slice(0, 10).map((one, i) => {
    const [name, value] = typeof one === "object" ? [one.name, one.value] : [`value ${i}`, one];
    return el("li", { class: "plain" }, el("span", { class: "name", text: name }), el("span", { class: "p", text: number(value) }));
  }));
  if (!list.length) panel.verdict.append(el("span", { class: "soft", text: "This model answers with a map; see its last card." }));
}

function camFor(model, index) {
  const same = state.cam?.target === index && state.model === model;
  set({ model, cam: { target: same ? null : index, layer: state.cam?.layer ?? null, method: "grad_cam" } });
}

/** Grad-CAM on or off. */
export function toggleCam() {
  set({ cam: state.cam ? null : { target: null, layer: null, method: "grad_cam" } });
}

function camBox() {
  const toggle = el("input", { type: "checkbox", id: "cam", onchange: toggleCam, "aria-keyshortcuts": "g" });
  layers = el("select", { id: "cam-layer", "aria-label": "Layer of Grad-CAM", onchange: () => set({ cam: { ...state.cam, layer: layers.value || null } }) });
  camNote = el("p", { class: "note", id: "cam-note" });
  byId("cam-box").append(
    el("div", { class: "head" }, el("label", { class: "check" }, toggle, el("span", { id: "cam-words", text: "Grad-CAM on the picture" }))),
    el("div", { class: "cam-more", id: "cam-more", hidden: true },
      layers,
      el("div", { class: "legend cam", role: "img", "aria-label": "Blue speaks against the class, orange for it" }, el("span", { text: "against" }), el("i"), el("span", { text: "for" })),
      camNote),
  );
}

function showCam() {
  byId("cam").checked = Boolean(state.cam);
  byId("cam-more").hidden = !state.cam;
  if (!state.cam) return;
  const chosen = nodeOf(state.model, state.node);
  const name = chosen?.name && chosen.shape.length === 3 ? chosen.name : null;
  const options = [["", "layer chosen for you"]];
  if (state.cam.layer) options.push([state.cam.layer, state.cam.layer]);
  if (name && name !== state.cam.layer) options.push([name, `${name} (the open card)`]);
  const key = options.join("|");
  if (layers.dataset.key !== key) {
    layers.dataset.key = key;
    layers.replaceChildren(...options.map(([value, text]) => el("option", { value, text })));
  }
  layers.value = state.cam.layer ?? "";
  const cam = state.frames[state.model]?.cam;
  write(camNote, cam ? `For ${nameOf(cam.target)}, at ${cam.layer}: ${cam.layer_reason ?? ""}.` : "");
}

function nameOf(target) {
  return state.about.models[state.model].classes?.[target] ?? `output ${target}`;
}
