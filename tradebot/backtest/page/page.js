"use strict";
// What all pages share: all text goes in as text, never as markup, since symbols, strategies and parameters come from
// outside; the story is packed into the page.
const $ = (id) => document.getElementById(id);
const root = document.documentElement;
let story;

window.addEventListener("error", (event) => { root.dataset.fault = event.message; });
window.addEventListener("unhandledrejection", (event) => { root.dataset.fault = String(event.reason); });

function make(tag, text, kind) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

async function read() {
  const packed = Uint8Array.from(atob($("story").textContent), (letter) => letter.charCodeAt(0));
  story = JSON.parse(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
}
