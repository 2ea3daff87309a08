// From an empty page to the first image: what is open, its graph, its first frame.

import { Refused, about, graph } from "./api.js";
import * as audit from "./audit.js";
import { byId, el } from "./dom.js";
import * as network from "./graph.js";
import * as images from "./images.js";
import * as inspect from "./inspect.js";
import * as keys from "./keys.js";
import * as link from "./link.js";
import { dropStale, refresh } from "./live.js";
import * as motion from "./motion.js";
import { short } from "./numbers.js";
import * as neighbors from "./neighbors.js";
import * as pad from "./pad.js";
import * as prediction from "./prediction.js";
import * as share from "./share.js";
import * as stage from "./stage.js";
import { on, set, shown, state } from "./state.js";

/** What the inspector needs comes before the thumbnails, so it is started first. */
const PARTS = [inspect, network, stage, motion, prediction, neighbors, images, pad, audit, share, keys, link];

async function begin() {
  try {
    const found = await about();
    const asked = location.hash.slice(1) || found.view;
    set({ about: found, both: false, ...(found.motions ? { motion: found.motions[0] } : {}) });
    for (const part of PARTS) part.start();
    on("image cam both model errors", refresh);
    on("both model", who);
    on("both model", dropStale);
    on("both model", switches);
    switches();
    who();
    saved();
    if (found.first) set({ image: found.first, imageName: found.first });
    const graphs = await Promise.all(found.models.map((_, model) => graph(model)));
    set({ graphs, both: found.models.length > 1 });
    set({ node: first(graphs[0]), ...(asked ? link.decode(asked) : {}) });
    refresh();
    if (!state.image) pad.open();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    byId("graphs").replaceChildren(el("p", { class: "fault", text: error.message }));
  }
}

/** The layer that is open at first: the first convolution, or whatever has feature maps. */
function first({ nodes }) {
  const node = nodes.find((n) => n.kind === "conv") ?? nodes.find((n) => n.kind !== "input" && n.maps) ?? nodes[1];
  return node?.id ?? null;
}

/** One model or both, where there are two. */
function switches() {
  const { models } = state.about;
  const box = byId("models");
  box.hidden = models.length < 2;
  if (models.length < 2) return;
  const focused = [...box.children].indexOf(document.activeElement);
  const one = (model) => ({ both: false, model, node: state.graphs[model] ? first(state.graphs[model]) : null, channel: 0, unit: null, tab: "maps" });
  const choose = (label, title, changes, pressed) =>
    el("button", { type: "button", title, "aria-pressed": String(pressed), text: label, onclick: () => set(changes) });
  box.replaceChildren(
    choose("A", models[0].name, one(0), !state.both && state.model === 0),
    choose("B", models[1].name, one(1), !state.both && state.model === 1),
    choose("A | B", "Both, with the same image and transformation", { both: true }, state.both));
  box.children[focused]?.focus();
}

function who() {
  const { models, data } = state.about;
  const names = shown().map((m) => `${models[m].name} (${short(models[m].params)} parameters)`);
  byId("who").textContent = [names.join("  |  "), data ? `data: ${data.name}` : null].filter(Boolean).join("  ·  ");
  document.title = `${models[state.model].name} – neocog explore`;
}

/** What a saved page holds is said at its top; what needs the program is not offered. */
function saved() {
  const note = state.about.saved;
  byId("saved").hidden = !note;
  byId("saved").textContent = note ?? "";
  document.body.classList.toggle("alone", Boolean(note));
}

begin();
