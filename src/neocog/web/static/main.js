// From an empty page to the first picture: what is open, its graph, its first frame.

import * as answer from "./answer.js";
import { Refused, about, graph } from "./api.js";
import * as audit from "./audit.js";
import { byId, el } from "./dom.js";
import * as network from "./graph.js";
import * as inspect from "./inspect.js";
import * as keys from "./keys.js";
import { dropStale, refresh } from "./live.js";
import * as motion from "./motion.js";
import { short } from "./numbers.js";
import * as pad from "./pad.js";
import * as pictures from "./pictures.js";
import * as share from "./share.js";
import * as stage from "./stage.js";
import { on, set, shown, state } from "./state.js";

/** What the inspector needs comes before the thumbnails, so it is started first. */
const PARTS = [inspect, network, stage, motion, answer, pictures, pad, audit, share, keys];

async function begin() {
  try {
    const found = await about();
    set({ about: found, both: false });
    for (const part of PARTS) part.start();
    on("picture cam both model errors", refresh);
    on("both model", who);
    on("both model", dropStale);
    switches();
    who();
    if (found.first) set({ picture: found.first, pictureName: found.first });
    const graphs = await Promise.all(found.models.map((_, model) => graph(model)));
    set({ graphs, both: found.models.length > 1 });
    switches();
    refresh();
    if (!found.first) pad.open();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    byId("graphs").replaceChildren(el("p", { class: "fault", text: error.message }));
  }
}

/** One model or both, where there are two. */
function switches() {
  const { models } = state.about;
  const box = byId("models");
  box.hidden = models.length < 2;
  if (models.length < 2) return;
  const choose = (label, title, changes, pressed) => el("button", { type: "button", title, "aria-pressed": String(pressed()), text: label, onclick: () => {
    set(changes);
    switches();
  } });
  box.replaceChildren(
    choose("A", models[0].name, { both: false, model: 0, node: null }, () => !state.both && state.model === 0),
    choose("B", models[1].name, { both: false, model: 1, node: null }, () => !state.both && state.model === 1),
    choose("A | B", "Both, with the same picture and motion", { both: true }, () => state.both));
}

function who() {
  const { models, data } = state.about;
  const names = shown().map((m) => `${models[m].name} (${short(models[m].params)} parameters)`);
  byId("who").textContent = [names.join("  |  "), data ? `data: ${data.name}` : null].filter(Boolean).join("  ·  ");
  document.title = `${models[state.model].name} – neocog explore`;
}

begin();
