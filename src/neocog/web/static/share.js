// The current view as one HTML file that needs nothing else.

import { Refused, exported } from "./api.js";
import { byId, el, toast } from "./dom.js";
import { drawn } from "./inspect.js";
import { formOf } from "./maps.js";
import { nodeOf, state } from "./state.js";

/** The button. */
export function start() {
  byId("share").addEventListener("click", share);
}

/** Ask for the file and hand it to the browser's downloads. */
export async function share() {
  const button = byId("share");
  if (!state.picture || button.disabled) return;
  button.disabled = true;
  try {
    const blob = await exported(view());
    const address = URL.createObjectURL(blob);
    const link = el("a", { href: address, download: `${fileName()}.html` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    toast("The view is in your downloads, as one file.");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, "fault");
  } finally {
    button.disabled = false;
  }
}

function view() {
  const node = nodeOf(state.model, state.node);
  const channels = node ? (formOf(node) === "numbers" ? [0] : chosen(node)) : [];
  return {
    model: state.model, both: state.both, picture: state.picture, motion: state.motion, cam: state.cam,
    node: node?.id ?? null, channel: state.channel, unit: node?.units ? state.unit : null,
    maps: node && node.kind !== "input" ? [{ node: node.id, channels }] : [],
  };
}

/** The maps that stand on the page; beside the arithmetic the first, with the chosen one. */
function chosen(node) {
  const shown = drawn();
  if (shown.length) return shown;
  const first = Array.from({ length: Math.min(16, node.shape[0]) }, (_, i) => i);
  return first.includes(state.channel) ? first : [...first.slice(0, 15), state.channel];
}

const fileName = () => `${state.about.models[state.model].name}-${state.picture}`.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 80);
