// Hair of drawn people: styles as ranges of thickness, length and hairline, and colours that go with the skin.

import type { Rng } from "../engine/random.js";
import { about, between, type Color, chance, clamp, hex, mix, mixColor, pick, scale } from "./face-draw.js";

/** Lengths in decimetres; the fields hair_... of `struct Face` say more. */
export interface Hair {
  top: number; // thickness on top
  side: number; // thickness beside the face
  length: number; // below the cranium's middle
  front: number; // z where the hair beside the face ends
  back: number; // z where the hair on top ends
  line: number; // hairline's height above the eyes
  drop: number; // how fast it falls to the sides
  temple: number; // bays beside its middle
  edge: number; // width of its slope: small for a fringe, wide for hair combed back
  part: number; // x of the parting
  depth: number; // of the parting
  curl: number;
  bun: number; // radius of a knot on top
}

// biome-ignore format: easier to compare with the styles below
const SHORT: Hair = {
  top: 0.13, side: 0.05, length: 0, front: 0.1, back: 0.46, line: 0.7, drop: 0.75, temple: 0.02, edge: 0.3,
  part: 0, depth: 0, curl: 0, bun: 0,
};

interface Style {
  name: string;
  feminine: number; // weight among feminine people
  masculine: number;
  make: (rng: Rng) => Partial<Hair>; // where it differs from SHORT
}

// biome-ignore format: a table
const STYLES: Style[] = [
  { name: "shaven", feminine: 2, masculine: 9, make: () => ({ top: -0.1, side: -0.1 }) },
  { name: "wreath", feminine: 0, masculine: 9, make: (rng) => ({
    top: 0.02, side: between(rng, 0.02, 0.05), line: 2, drop: 0, front: -0.05, back: -0.75, edge: 0.06 }) },
  { name: "cropped", feminine: 4, masculine: 15, make: () => ({ top: 0.035, side: 0.02, edge: 0.12 }) },
  { name: "short", feminine: 8, masculine: 22, make: (rng) => ({
    top: between(rng, 0.12, 0.24), side: between(rng, 0.04, 0.1) }) },
  { name: "quiff", feminine: 5, masculine: 12, make: (rng) => ({
    top: between(rng, 0.22, 0.34), side: between(rng, 0.02, 0.06), edge: 0.16 }) },
  { name: "parted", feminine: 8, masculine: 13, make: (rng) => ({
    top: between(rng, 0.12, 0.2), side: 0.08, part: chance(rng, 0.5) ? -0.34 : 0.34, depth: 0.08, edge: 0.2 }) },
  { name: "fringe", feminine: 6, masculine: 10, make: (rng) => ({
    top: between(rng, 0.12, 0.2), side: 0.1, line: between(rng, 0.28, 0.42), drop: 0.1, edge: 0.05 }) },
  { name: "bob", feminine: 14, masculine: 1, make: (rng) => ({
    top: 0.14, side: 0.16, length: between(rng, 0.5, 0.8), front: between(rng, 0.15, 0.4),
    line: between(rng, 0.3, 0.42), drop: 0.2, edge: 0.07 }) },
  { name: "long", feminine: 27, masculine: 4, make: (rng) => ({
    top: 0.15, side: between(rng, 0.12, 0.22), length: between(rng, 0.9, 1.6), front: between(rng, 0, 0.32),
    part: between(rng, -0.35, 0.35), depth: 0.06, drop: 1, edge: 0.24 }) },
  { name: "tied back", feminine: 12, masculine: 2, make: (rng) => ({
    top: 0.07, side: 0.05, front: 0.05, edge: 0.4, bun: chance(rng, 0.35) ? between(rng, 0.25, 0.34) : 0 }) },
  { name: "curls", feminine: 12, masculine: 6, make: (rng) => ({
    top: between(rng, 0.25, 0.45), side: between(rng, 0.2, 0.4), length: between(rng, 0, 0.5),
    drop: 0.7, edge: 0.14, curl: 1 }) },
];

/** A haircut. masculine and age run from 0 to 1. */
export function hairOf(rng: Rng, masculine: number, age: number): Hair {
  const style = pick(
    rng,
    STYLES.map((s) => [mix(s.feminine, s.masculine, masculine), s] as const),
  );
  const hair = { ...SHORT, ...style.make(rng) };
  const receding = masculine * Math.max(age - 0.3, 0);
  return {
    ...hair,
    line: hair.line + about(rng, 0, 0.03) + 0.08 * receding,
    temple: hair.temple + receding * between(rng, 0, 0.35),
    side: hair.side * between(rng, 0.85, 1.2),
    curl: hair.curl || (chance(rng, 0.3) ? between(rng, 0.15, 0.7) : between(rng, 0, 0.12)),
  };
}

const BLACK = hex("#1b1614");
const DARK = hex("#2c1d16");
const BROWN = hex("#4d3122");
const CHESTNUT = hex("#6b4128");
const AUBURN = hex("#7c3f22");
const RED = hex("#a4522a");
const BLOND = hex("#b98d58");
const PALE = hex("#dcc08d");
const GREY = hex("#8d8a87");
const WHITE = hex("#d6d3ce");

/** Colour and share of grey strands. The darker the skin (melanin 0 to 1), the rarer is light hair; never excluded. */
export function hairColorOf(rng: Rng, melanin: number, age: number): { color: Color; grey: number } {
  const light = clamp(1.1 - 2.6 * melanin, 0, 1);
  // biome-ignore format: a table
  const natural = pick(rng, [
    [0.25 + 2.2 * melanin, BLACK], [0.5 + melanin, DARK], [0.7, BROWN], [0.5 * light + 0.05, CHESTNUT],
    [0.25 * light, AUBURN], [0.22 * light, RED], [0.6 * light, BLOND], [0.35 * light, PALE],
  ]);
  const grey = age > 0.55 && chance(rng, 0.75) ? clamp(between(rng, 0.1, 1) * (age - 0.4) * 1.6, 0, 1) : 0;
  return { color: grey > 0.7 ? mixColor(GREY, WHITE, rng.uniform()) : scale(natural, between(rng, 0.8, 1.25)), grey };
}
