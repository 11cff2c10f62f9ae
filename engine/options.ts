// Parsers for the options of commands: what a value may be, and one message where it is not.

import { InvalidArgumentError } from "commander";

/** Whole numbers from `least` on; 10_000 is one. */
export const whole =
  (least = 0) =>
  (text: string): number => {
    const value = numberOf(text);
    if (value !== undefined && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It takes a whole number from ${least} on.`);
  };

/** Numbers from `least` to `most`. */
export const real =
  (least: number, most = Number.POSITIVE_INFINITY) =>
  (text: string): number => {
    const value = numberOf(text);
    if (value !== undefined && value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      `It takes a number from ${least} ${most < Number.POSITIVE_INFINITY ? `to ${most}` : "on"}.`,
    );
  };

/** undefined: no finite number. */
export function numberOf(text: string): number | undefined {
  const value = Number(text.replaceAll("_", ""));
  return text.trim() !== "" && Number.isFinite(value) ? value : undefined;
}
