// A title that a program wrote, as plain text that cannot disguise itself.

const LONGEST = 200;
// Control characters, and those that turn the direction of writing.
const UNWANTED = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export const cleanTitle = (text) => [...text.replace(UNWANTED, "")].slice(0, LONGEST).join("").trim();
