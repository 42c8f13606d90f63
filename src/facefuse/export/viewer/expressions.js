"use strict";
// Names of expressions for people, their grouping, their mirror partners, and the page's address as a state.

// from the top of the face down; the pattern of the last takes what is left
const GROUPS = [
  ["Brows", /^brow/],
  ["Eyes", /^eye/],
  ["Cheeks and nose", /^(cheek|nose)/],
  ["Jaw", /^jaw/],
  ["Mouth", /^(mouth|tongue)/],
  ["Others", /^/],
];

/** Sort expression names into the groups above: [title, indices][] without empty groups. */
function groupExpressions(names) {
  const groups = GROUPS.map(([title]) => [title, []]);
  names.forEach((name, k) => groups[GROUPS.findIndex(([, pattern]) => pattern.test(name))][1].push(k));
  return groups.filter(([, members]) => members.length);
}

/** "mouthSmileLeft" in the group Mouth becomes "Smile left". */
function expressionLabel(name) {
  const words = name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().split(" ");
  if (words.length > 1 && /^(eye|brow|jaw|mouth)$/.test(words[0])) words.shift();
  const text = words.join(" ");
  return text[0].toUpperCase() + text.slice(1);
}

/** The expression that does the same on the other side, or null. Eyes that look aside together mirror in and out. */
function partnerOf(name, names) {
  const match = /^(.+)(Left|Right)$/.exec(name);
  if (!match || names.includes(match[1])) return null;
  let [, stem, side] = match;
  if (stem === "jaw" || stem === "mouth") return null; // opposite movements, not two halves of one
  if (stem === "eyeLookIn" || stem === "eyeLookOut") stem = stem === "eyeLookIn" ? "eyeLookOut" : "eyeLookIn";
  const partner = stem + (side === "Left" ? "Right" : "Left");
  return names.includes(partner) ? partner : null;
}

/** Read "#expression=jawOpen:1,…&yaw=30&look=clay&wireframe=1&idle=0&photo=2" into plain values. */
function readAddress(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (key) => (fields.has(key) && Number.isFinite(Number(fields.get(key))) ? Number(fields.get(key)) : null);
  const expression = {};
  for (const item of (fields.get("expression") || "").split(",").filter(Boolean)) {
    const [name, value] = item.split(":");
    const weight = value === undefined ? 1 : Number(value);
    if (Number.isFinite(weight)) expression[name] = Math.min(Math.max(weight, 0), 1);
  }
  return {
    expression,
    photo: number("photo"),
    yaw: number("yaw"),
    pitch: number("pitch"),
    zoom: number("zoom"),
    light: number("light"),
    clay: fields.get("look") === "clay",
    wireframe: fields.get("wireframe") === "1",
    idle: fields.has("idle") ? fields.get("idle") === "1" : null,
  };
}

if (typeof module !== "undefined") module.exports = {groupExpressions, expressionLabel, partnerOf, readAddress};
