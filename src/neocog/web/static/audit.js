// The audit of the model: that of its run folder where there is one, or a short one made now.

import { Refused, about, audit, auditNow } from "./api.js";
import { byId, modal, el, toast } from "./dom.js";
import { section } from "./exhibits.js";
import { shown, state } from "./state.js";

const FEW = 100;
const NONE = { none: "This model has not been audited yet.", other: "The audit in the run folder is of other weights." };
const WHAT = "How predictions change when images are shifted, rotated or rescaled, and which layers cause it.";
let made = null;

/** The button of the dialog. */
export function start() {
  byId("audit-open").addEventListener("click", open);
}

/** The dialog with the results of the model that is looked at. */
export function open() {
  made ??= modal("Audit", { look: "wide" });
  made.dialog.showModal();
  fill();
}

async function fill() {
  const { body } = made;
  body.replaceChildren(el("p", { class: "busy", text: "Looking for results …" }));
  const parts = [];
  const audits = await now();
  for (const model of shown()) {
    const name = state.about.models[model].name;
    if (state.both) parts.push(el("h2", { class: "which" }, el("span", { class: `letter m${model}`, text: "AB"[model] }), name));
    if (audits[model] in NONE) {
      parts.push(none(model, NONE[audits[model]]));
      continue;
    }
    try {
      parts.push(...shownAudit(await audit(model)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      parts.push(none(model, error.message));
    }
  }
  body.replaceChildren(el("p", { class: "explain", text: WHAT }), ...parts);
}

/** Which audits there are now: one may have been made in a terminal meanwhile. */
async function now() {
  try {
    return (await about()).audits;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, "fault");
    return state.about.audits;
  }
}

const shownAudit = ({ source, sections }) => [el("p", { class: "note source", text: source }), ...sections.map(section)];

function none(model, why) {
  const possible = Boolean(state.about.data) && !state.about.data.synthetic && !state.about.saved;
  const button = el("button", { type: "button", class: "main", text: `Audit ${FEW} images now`, onclick: async () => {
    button.disabled = true;
    button.textContent = "Auditing …";
    try {
      place.className = "body";
      place.replaceChildren(...shownAudit(await auditNow(model, FEW)));
    } catch (failed) {
      if (!(failed instanceof Refused)) throw failed;
      toast(failed.message, "fault");
      button.disabled = false;
      button.textContent = `Audit ${FEW} images now`;
    }
  } });
  const place = el("div", { class: "none" }, el("p", { text: why }), possible || state.about.saved ? null : el("p", { class: "soft", text: "An audit needs a dataset: start the explorer with DATA." }), possible ? button : null);
  return place;
}
