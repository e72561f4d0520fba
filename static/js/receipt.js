// The receipt of a stop.
import { notice } from "./feedback.js";
import { duration, t, tn } from "./i18n.js";

/** What a stop did, told plainly; survivors are never hidden. */
export function receiptNotice({ ended, seconds, survivors }) {
  const words = tn(ended.length, "{n} process ended in {time}.", "{n} processes ended in {time}.", {
    time: duration(seconds),
  });
  if (!survivors.length) return notice("info", words, t("None survived."));
  return notice(
    "bad",
    words,
    t("Still alive: {pids}. End them by hand on the server.", { pids: survivors.join(", ") }),
  );
}
