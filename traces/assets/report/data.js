"use strict";
// The blocks of data in this page: JSON, or columns of numbers; deflated, in base64.

const COLUMN_TYPES = {
  u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array, i4: Int32Array, f8: Float64Array,
};

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function block(name) {
  return document.getElementById(`data-${name}`);
}

async function inflated(element) {
  const packed = new Blob([bytesOf(element.textContent)]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

/** What a block of JSON says, or `fallback` where this page has none of that name. */
async function readJson(name, fallback = null) {
  const element = block(name);
  return element === null ? fallback : JSON.parse(new TextDecoder().decode(await inflated(element)));
}

/** The columns of a block, by name; null where this page has none of that name. */
async function readColumns(name) {
  const element = block(name);
  if (element === null) return null;
  const buffer = await inflated(element);
  const columns = {};
  let at = 0;
  for (const [column, type, length] of JSON.parse(element.dataset.columns)) {
    const Type = COLUMN_TYPES[type];
    const bytes = length * Type.BYTES_PER_ELEMENT;
    columns[column] = new Type(buffer.slice(at, at + bytes)); // a copy, as views must be aligned
    at += bytes;
  }
  return columns;
}
