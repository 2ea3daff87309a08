// Color scales, the same as in the reports, even in Oklab (Ottosson 2020), for light and dark pages.
//
// Everything that has a sign - activations, kernels, products, gradients - is drawn on one scale:
// orange is positive, blue is negative, zero is the neutral color of the page. What is never
// negative takes the upper half of the same scale, so that a positive value has one color everywhere.

const ANCHORS = {
  sequential: { light: ["#f4f7fb", "#8fb8de", "#0a3d7c"], dark: ["#19222d", "#2f6ca8", "#b5dcff"] },
  diverging: { light: ["#1c519e", "#f3f2ef", "#a2480b"], dark: ["#8fc3ff", "#22262b", "#ffb27a"] },
};
const kept = new Map();

/** Whether the page is dark now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen) return chosen === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * 256 colors of a scale, each as [r, g, b]: "diverging", its upper half "positive", "sequential"; and
 * "overlay", the diverging one between light and dark, for what is laid over an image.
 */
export function scale(kind, dark = isDark()) {
  const key = `${kind}-${dark}`;
  if (!kept.has(key)) {
    const scheme = dark ? "dark" : "light";
    const { diverging } = ANCHORS;
    const special = {
      positive: () => diverging[scheme].slice(1).map(parse),
      overlay: () => diverging.light.map((color, i) => evenly([parse(color), parse(diverging.dark[i])], 3)[1].map((v) => v / 255)),
    }[kind];
    kept.set(key, evenly(special?.() ?? ANCHORS[kind][scheme].map(parse), 256));
  }
  return kept.get(key);
}

/** The same as one number a pixel, as image data wants it. */
export function pixels(kind, dark = isDark()) {
  const key = `${kind}-${dark}-pixels`;
  if (!kept.has(key)) {
    const out = new Uint32Array(256);
    scale(kind, dark).forEach(([r, g, b], i) => (out[i] = (255 << 24) | (b << 16) | (g << 8) | r));
    kept.set(key, out);
  }
  return kept.get(key);
}

/** Background and readable ink for a place on a scale, 0 to 1. */
export function paint(kind, share, dark = isDark()) {
  const color = scale(kind, dark)[Math.round(Math.min(1, Math.max(0, share)) * 255)];
  const light = luminance(color);
  const ink = (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) ? "#000" : "#fff";
  return { background: `rgb(${color.join(" ")})`, ink };
}

/** Background and ink of a signed value on the diverging scale whose ends are ± most. */
export const signed = (value, most) => paint("diverging", most > 0 ? 0.5 + (0.5 * value) / most : 0.5);

/** The scale of a map of bytes that stand for lo … hi. */
export const kindOf = (map) => (map.lo < 0 ? "diverging" : "positive");

/** Colors that a canvas needs, looked up once a theme. */
export function inks() {
  const key = `inks-${isDark()}`;
  if (!kept.has(key)) {
    const probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
    const of = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const found = Object.fromEntries(
      ["page", "card", "ink", "soft", "line", "faint", "link", "warm", "good", "mark"].map((n) => [n, of(n)]),
    );
    probe.remove();
    kept.set(key, found);
  }
  return kept.get(key);
}

function evenly(anchors, count) {
  const labs = anchors.map(toLab);
  return Array.from({ length: count }, (_, i) => {
    const at = (i / (count - 1)) * (labs.length - 1);
    const k = Math.min(labs.length - 2, Math.floor(at));
    return toRgb(labs[k].map((v, c) => v + (labs[k + 1][c] - v) * (at - k)));
  });
}

const parse = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255);
const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const coded = (v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

function luminance(color) {
  const [r, g, b] = color.map((v) => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function toLab(rgb) {
  const [r, g, b] = rgb.map(linear);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
  ];
}

function toRgb([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
  ].map((v) => Math.round(255 * coded(Math.min(1, Math.max(0, v)))));
}
