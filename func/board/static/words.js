// Values -> what a person reads. Nothing here touches the page.

const SECONDS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// The two largest units, seconds only while nothing larger is there: "3 d 4 h", "7 min", "12 s".
export function age(milliseconds) {
  let left = Math.max(0, Math.floor(milliseconds / 1000));
  const parts = [];
  for (const [unit, size] of SECONDS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count && !(unit === "s" && parts.length)) parts.push(`${count} ${unit}`);
    else if (parts.length) break;
    if (parts.length === 2 || (parts.length && unit === "min")) break;
  }
  return parts.join(" ") || "0 s";
}

export function clock(iso) {
  return iso ? new Date(iso).toLocaleTimeString() : "an unknown time";
}

export function absolute(iso) {
  return `${new Date(iso).toLocaleString()} (${iso})`;
}

export function taskName(card) {
  return card.task === null ? (card.workflow ?? "No task") : `Task ${card.task}`;
}

export function who(card) {
  return [card.repository, card.agent].filter(Boolean);
}

// Pieces of a text, between which a line may end: names of events are longer than a card is wide.
export function pieces(text) {
  return text.split(/(?<=\w\.)(?=\w)/);
}

// A signal that has not moved its gate, with the code that the log and the reply have too.
export function signalText(signal) {
  const from = signal.person ? ` from ${signal.person}` : "";
  if (signal.state === "claimed") return `Signal for ${signal.gate}${from} is about to move it`;
  const until = signal.expires ? ` until ${day(signal.expires)}` : "";
  const became = signal.state === "waits" ? `waits${until}` : "was rejected";
  return `Signal for ${signal.gate}${from} ${became} (${signal.code}): ${signal.reason}`;
}

function day(iso) {
  return new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "long" });
}

const LEADS = {
  opened: (person) => `opened${person && ` by ${person}`}`,
  failed: (person) => `failed${person && ` by ${person}`}`,
  waits: (person) => `signal${person && ` of ${person}`} came`,
  rejected: (person) => `signal${person && ` of ${person}`} rejected`,
  closed: () => "pull request closed unmerged",
  left: () => "pull request left the task",
  merged: () => "pull request merged",
  finished: () => "came to its end",
};

// What happened, as parts of a sentence; `link` stands for the pull request.
export function story({ what, outcome, person, name, why, code }, link) {
  if (what === "answered") return [`event ${outcome}`, ` (${code})`, `: ${why}`];
  const facts = [name, link].filter(Boolean).flatMap((fact) => [", ", fact]);
  return [LEADS[what]?.(person ?? "") ?? what, code ? ` (${code})` : "", ...facts, why ? `: ${why}` : ""];
}

// Where a card is, for those who do not see it move.
export function whereabouts(card, columns) {
  if (card.column === columns.finished) return `${taskName(card)} came to its end: ${card.phase}.`;
  if (card.column === columns.underWay) return `${taskName(card)} is under way.`;
  return `${taskName(card)} waits at ${card.gates.join(" and ")}.`;
}

// A whole number means that very task or pull request; other words may stand anywhere.
export function matcher(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (card) =>
    words.every((word) => {
      const number = /^(?:task[- ]?|#)?(\d+)$/.exec(word);
      if (number) return card.task === number[1] || card.pull?.name.endsWith(`#${number[1]}`);
      const values = [card.task, card.repository, card.agent, card.workflow, card.pull?.name, card.outcome, card.code, ...card.gates];
      return values.some((value) => value?.toLowerCase().includes(word));
    });
}

// Who came first is first; among those that are done, who ended last.
export function order(finished) {
  return (a, b) => {
    if (a.since !== b.since) {
      if (a.since === null || b.since === null) return a.since === null ? 1 : -1;
      return (a.since < b.since) !== finished ? -1 : 1;
    }
    return a.workflow.localeCompare(b.workflow, undefined, { numeric: true });
  };
}
