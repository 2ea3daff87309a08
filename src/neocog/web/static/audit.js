// What an audit found of the model: the stored one where there is one, or a short one made now.

import { Refused, audit, auditNow } from "./api.js";
import { byId, dialogue, el, toast } from "./dom.js";
import { section } from "./exhibits.js";
import { shown, state } from "./state.js";

const FEW = 100;
let made = null;
const known = new Set();

/** The button of the dialogue. */
export function start() {
  byId("audit-open").addEventListener("click", open);
}

/** The dialogue with the results of the model that is looked at. */
export function open() {
  made ??= dialogue("Audit", { look: "wide" });
  made.dialog.showModal();
  fill();
}

async function fill() {
  const { body } = made;
  body.replaceChildren(el("p", { class: "busy", text: "Looking for results …" }));
  const parts = [];
  for (const model of shown()) {
    const name = state.about.models[model].name;
    if (state.both) parts.push(el("h2", { class: "which" }, el("span", { class: `letter m${model}`, text: "AB"[model] }), name));
    if (!state.about.has_audit?.[model] && !known.has(model)) {
      parts.push(none(model));
      continue;
    }
    try {
      parts.push(...(await audit(model)).sections.map(section));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      known.delete(model);
      parts.push(none(model));
    }
  }
  body.replaceChildren(...parts);
}

function none(model) {
  const possible = Boolean(state.about.data) && !state.about.data.made;
  const button = el("button", { type: "button", class: "main", text: `Audit ${FEW} pictures now`, onclick: async () => {
    button.disabled = true;
    button.textContent = "Auditing …";
    try {
      const found = await auditNow(model, FEW);
      known.add(model);
      place.replaceChildren(...found.sections.map(section));
    } catch (failed) {
      if (!(failed instanceof Refused)) throw failed;
      toast(failed.message, "fault");
      button.disabled = false;
      button.textContent = `Audit ${FEW} pictures now`;
    }
  } });
  const place = el("div", {}, el("p", { text: possible ? "No audit of this model is known here." : "An audit needs data: start the explorer with DATA." }), possible ? button : null);
  return place;
}
