// What is wrong with the page that is open: run by check_site.py, returns sentences.
() => {
  const wrong = [];
  for (const image of document.querySelectorAll("img, canvas, svg[role=img]"))
    if (!(image.getAttribute("alt") || image.getAttribute("aria-label")))
      wrong.push(`an image without a text: ${image.outerHTML.slice(0, 80)}`);
  for (const field of document.querySelectorAll(".play input, .play select")) {
    if (!field.labels.length) wrong.push(`a control without a label: ${field.outerHTML.slice(0, 80)}`);
    field.focus();
    if (document.activeElement !== field) wrong.push("a control that the keyboard does not reach");
  }
  for (const figure of document.querySelectorAll(".play"))
    if (!figure.querySelector("input, select")) wrong.push(`an empty figure: ${figure.dataset.figure}`);
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (c, ground) => [0, 1, 2].map((i) => c[i] * (c[3] ?? 1) + ground[i] * (1 - (c[3] ?? 1)));
  const ground = (node) => {
    const layers = [];
    for (let n = node; n; n = n.parentElement) {
      const c = rgb(getComputedStyle(n).backgroundColor);
      if ((c[3] ?? 1) > 0) layers.push(c);
      if ((c[3] ?? 1) === 1) break;
    }
    return layers.reduceRight((below, c) => over(c, below), [255, 255, 255]);
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest("button, .md-clipboard, .headerlink, svg, option")) continue;
    const style = getComputedStyle(node), below = ground(node);
    const pair = [light(over(rgb(style.color), below)), light(below)].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const key = `${style.color} on ${below.map(Math.round)}`;
    if (ratio < (large ? 3 : 4.5) && !seen.has(key)) {
      seen.add(key);
      wrong.push(`contrast ${ratio.toFixed(2)} (${key}): ${walker.currentNode.data.trim().slice(0, 40)}`);
    }
  }
  return wrong;
}
