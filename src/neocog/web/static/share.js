// The current view as one file that needs no program: image, motion and arithmetic stay interactive in it.

import { Refused, exported } from "./api.js";
import { byId, el, toast, write } from "./dom.js";
import { encode } from "./link.js";
import { requests } from "./live.js";
import { nodeOf, state } from "./state.js";

/** The button. */
export function start() {
  byId("share").addEventListener("click", share);
}

/** Ask for the file and hand it to the browser's downloads. */
export async function share() {
  const button = byId("share");
  if (!state.image || button.disabled || state.about.saved) return;
  button.disabled = true;
  write(button, "Saving …");
  try {
    const blob = await exported(view());
    const address = URL.createObjectURL(blob);
    const link = el("a", { href: address, download: `${fileName()}.html` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    toast(`The page is in your downloads, as one file (${(blob.size / 2 ** 20).toFixed(1)} MB) that works without neocog.`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, "fault");
  } finally {
    button.disabled = false;
    write(button, "Share");
  }
}

function view() {
  const node = nodeOf(state.model, state.node);
  return {
    model: state.model, both: state.both, image: state.image, motion: state.motion, cam: state.cam,
    node: node?.id ?? null, channel: state.channel, unit: state.unit, view: encode(), steps: requests(),
  };
}

const fileName = () => `${state.about.models[state.model].name}-${state.image}`.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 80);
