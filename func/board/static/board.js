// Listens to the board and says plainly when it, or the cluster behind it, is not heard.

import { Page } from "./page.js";
import { clock, whereabouts } from "./words.js";

const SILENCE_MILLISECONDS = 25_000; // the board sends something at least every 10 s
const RETRY_MILLISECONDS = 3_000;
const SAY_MILLISECONDS = 1_000; // what comes together is said together
const MOST_SAID = 3;

const element = (id) => document.getElementById(id);
const page = new Page();
let source = null;
let seen = null; // the board's time of its last message
let listened = 0; // our time of it
let told = new Map(); // what is still to be said, by card

function say(text) {
  element("said").textContent = text;
}

function show(state, word, trouble) {
  const link = element("link");
  if (link.dataset.state !== state) {
    if (link.dataset.state === "lost" && state === "live") say("The board is live again.");
    link.dataset.state = state;
  }
  if (link.textContent !== word) link.textContent = word;
  const box = element("trouble");
  if (box.textContent !== trouble) box.textContent = trouble;
  box.hidden = !trouble;
}

function hear(message, all) {
  const data = JSON.parse(message.data);
  listened = Date.now();
  seen = data.now;
  page.skew = Date.parse(data.now) - listened;
  if (all) page.setAbout(data.about);
  if (all || data.cards.length || data.gone.length) {
    const moved = page.change(data.cards, data.gone, all);
    announce(moved);
  }
  if (all || data.answers.length) page.addAnswers(data.answers, all);
  if (data.lost) {
    show("lost", "Cluster lost", `${data.lost} What you see is from ${clock(data.heard)}. The board tries again.`);
  } else {
    show("live", "Live", "");
  }
}

function announce(moved) {
  if (!moved.length) return;
  if (!told.size) {
    setTimeout(() => {
      const all = [...told.values()];
      say(all.length > MOST_SAID ? `${all.length} tasks have moved.` : all.join(" "));
      told = new Map();
    }, SAY_MILLISECONDS);
  }
  for (const card of moved) told.set(card.id, whereabouts(card, page.about.columns));
}

function lose() {
  const from = seen ? ` What you see is from ${clock(seen)}.` : "";
  show("lost", "Board lost", `The board does not answer; is taskgate board still running?${from} This page tries again.`);
}

function listen() {
  source?.close();
  listened = Date.now();
  source = new EventSource("events");
  source.addEventListener("all", (message) => hear(message, true));
  source.addEventListener("some", (message) => hear(message, false));
  source.addEventListener("full", (message) => {
    listened = Date.now();
    const { pages } = JSON.parse(message.data);
    show("lost", "Not live", `${pages} pages show this board already: close one, and this one will follow.`);
  });
  source.addEventListener("error", () => {
    if (!element("trouble").textContent.includes("pages show this board")) lose();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MILLISECONDS);
  });
}

setInterval(() => {
  if (source.readyState === EventSource.OPEN && Date.now() - listened > SILENCE_MILLISECONDS) {
    lose();
    listen();
  }
}, RETRY_MILLISECONDS);
listen();
