// An element with its attributes, listeners (`onclick`) and children; text is never taken as HTML.

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const MARKED = /`([^`]+)`|\*([^*]+)\*|\[([^\]]+)\]\([^)]*\)/g;

// What a line of Markdown says: code and emphasis as such, a link as its words.
export function inline(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(MARKED)) {
    const [all, code, stressed, link] = found;
    nodes.push(text.slice(end, found.index), code ? el("code", {}, code) : stressed ? el("em", {}, stressed) : link);
    end = found.index + all.length;
  }
  return [...nodes, text.slice(end)];
}
