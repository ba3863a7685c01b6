// What is known of the fleet -> the page. Only what changed is touched, and every value is put in as text.

import { absolute, age, matcher, order, pieces, signalText, story, taskName, who } from "./words.js";

const MOST_CARDS = 300; // of one column in the page; the filter finds the others
const MOST_FINISHED = 60;
const MOST_HAPPENED = 50;
const MOVED_MILLISECONDS = 4000;

const element = (id) => document.getElementById(id);
const collator = new Intl.NumberFormat();

function copyOf(template) {
  return element(template).content.firstElementChild.cloneNode(true);
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// For a text that is only there where it says something.
function setOptional(node, text) {
  setText(node, text ?? "");
  node.hidden = !text;
}

function setTime(node, iso) {
  node.hidden = !iso;
  if (iso && node.dateTime !== iso) {
    node.dateTime = iso;
    node.title = absolute(iso);
  }
}

// A link to another site; text where the address is none.
function linkTo(text, url) {
  if (!/^https?:\/\//.test(url ?? "")) return document.createTextNode(text);
  const link = document.createElement("a");
  link.href = url;
  link.target = "_blank";
  link.rel = "noreferrer";
  link.textContent = text;
  return link;
}

// Names that stay whole where they can.
function whole(names) {
  return names.map((name) => {
    const span = document.createElement("span");
    span.textContent = name;
    return span;
  });
}

function broken(text) {
  return pieces(text).flatMap((piece, index) => (index ? [document.createElement("wbr"), piece] : [piece]));
}

function lineOf(text) {
  const line = document.createElement("li");
  line.append(...broken(text));
  return line;
}

class Column {
  constructor(name, title, template, most) {
    this.name = name;
    this.most = most;
    this.root = copyOf(template);
    this.list = this.root.querySelector("ol");
    this.number = this.root.querySelector(".number");
    this.empty = this.root.querySelector(".empty");
    this.more = this.root.querySelector(".more");
    this.current = null; // the card that the Tab key comes to
    setText(this.root.querySelector(".title"), title);
    this.list.setAttribute("aria-label", title);
  }

  get cards() {
    return [...this.list.querySelectorAll(".card")];
  }

  get isOpen() {
    return this.root.open !== false && !this.root.hidden;
  }
}

export class Page {
  constructor() {
    this.cards = new Map(); // id -> what the board says of it
    this.items = new Map(); // id -> its list item, made when it is first shown
    this.happenings = new Map(); // likewise, by what happened
    this.answers = []; // events that moved nothing, from the function's log
    this.columns = new Map();
    this.about = null;
    this.skew = 0; // milliseconds that the board's clock is ahead of ours
    this.matches = () => true;
    element("filter").addEventListener("input", (event) => {
      this.matches = matcher(event.target.value);
      this.arrange();
    });
    document.querySelector("main").addEventListener("keydown", (event) => this.onKey(event));
    document.querySelector("main").addEventListener("focusin", (event) => {
      const card = event.target.closest?.(".card");
      if (card) this.makeCurrent(card);
    });
    setInterval(() => this.tick(), 1000);
  }

  setAbout(about) {
    if (JSON.stringify(about) === JSON.stringify(this.about)) return;
    this.about = about;
    this.items.clear();
    const { other, underWay, finished } = about.columns;
    const gates = [...about.gates.map((gate) => [gate, gate]), [other, "At a gate in no rule"]];
    const columns = [
      ...gates.map(([name, title]) => new Column(name, title, "column-template", MOST_CARDS)),
      new Column(underWay, "Under way, at no gate", "fold-template", MOST_CARDS),
      new Column(finished, "Finished", "fold-template", MOST_FINISHED),
    ];
    this.columns = new Map(columns.map((column) => [column.name, column]));
    this.columns.get(underWay).root.open = true;
    element("gates").replaceChildren(...columns.slice(0, -2).map((column) => column.root));
    element("rest").replaceChildren(...columns.slice(-2).map((column) => column.root));
    setText(element("about"), `${about.namespace} · ${about.selector}`);
    document.title = `Taskgate board: ${about.namespace}`;
  }

  // Returns the cards that went from one column to another.
  change(cards, gone, all) {
    const kept = new Set(all ? cards.map((card) => card.id) : []);
    const forgotten = all ? [...this.cards.keys()].filter((id) => !kept.has(id)) : gone;
    for (const id of forgotten) {
      this.cards.delete(id);
      this.items.delete(id);
    }
    const moved = [];
    for (const card of cards) {
      const before = this.cards.get(card.id);
      if (before && JSON.stringify(before) === JSON.stringify(card)) continue;
      this.cards.set(card.id, card);
      const item = this.items.get(card.id);
      if (item) this.fill(item, card);
      if ((before || !all) && before?.column !== card.column) moved.push(card);
    }
    this.arrange();
    for (const card of moved) this.mark(this.items.get(card.id));
    for (const card of moved) this.bringIntoView(this.items.get(card.id));
    return moved;
  }

  // Every card into its column, in order.
  arrange() {
    if (!this.about) return;
    const focused = document.activeElement?.closest?.("li");
    const inside = focused && document.activeElement;
    const shown = [...this.cards.values()].filter(this.matches);
    const total = new Map();
    for (const card of this.cards.values()) total.set(card.column, (total.get(card.column) ?? 0) + 1);
    const grouped = groupBy(shown);
    const wanted = new Map();
    for (const [name, column] of this.columns) {
      const cards = (grouped.get(name) ?? []).sort(order(name === this.about.columns.finished));
      const items = cards.slice(0, column.most).map((card) => this.itemOf(card));
      wanted.set(column, items);
      const all = total.get(name) ?? 0;
      setText(column.number, cards.length === all ? collator.format(all) : `${cards.length} of ${all}`);
      const more = cards.length - items.length;
      setOptional(column.more, more ? `and ${collator.format(more)} more; the filter finds them` : "");
      if (column.empty) column.empty.hidden = cards.length > 0;
      column.root.hidden = !all && (column.name === this.about.columns.other || column.root.matches("details"));
    }
    for (const [column, items] of wanted) removeOthers(column.list, new Set(items));
    for (const [column, items] of wanted) {
      putInOrder(column.list, items);
      this.keepCurrent(column);
    }
    if (inside && document.activeElement !== inside) inside.focus({ preventScroll: true });
    this.arrangeHappenings();
    const tasks = this.cards.size === 1 ? "1 task" : `${collator.format(this.cards.size)} tasks`;
    setText(element("count"), shown.length === this.cards.size ? tasks : `${shown.length} of ${tasks}`);
    const nothing = `No Workflow with ${this.about.selector} is in ${this.about.namespace}.`;
    const noMatch = shown.length ? "" : `No match: no task has all of “${element("filter").value.trim()}”.`;
    setOptional(element("none"), this.cards.size ? noMatch : nothing);
    this.tick();
  }

  itemOf(card) {
    let item = this.items.get(card.id);
    if (!item) {
      item = copyOf("card-template");
      const title = item.querySelector("h3");
      title.id = `title-${card.id}`;
      item.firstElementChild.setAttribute("aria-labelledby", title.id);
      this.fill(item, card);
      this.items.set(card.id, item);
    }
    return item;
  }

  fill(item, card) {
    const part = (name) => item.querySelector(name);
    const hadFocus = item.contains(document.activeElement);
    part("h3").replaceChildren(linkTo(taskName(card), card.argo));
    part("h3").title = card.argo ? `${card.workflow}, in Argo's UI` : card.workflow;
    setTime(part(".age"), card.since);
    part(".who").hidden = !who(card).length;
    part(".who").replaceChildren(...whole(who(card)));
    const others = card.gates.slice(1);
    const also = [others.length && `also at ${others.join(", ")}`];
    if (card.column === this.about.columns.other) also.unshift(`at ${card.gates[0]}`);
    if (card.column === this.about.columns.finished) also.unshift(card.phase);
    setOptional(part(".also"), also.filter(Boolean).join(" · "));
    const pull = part(".pull");
    pull.hidden = !card.pull;
    pull.replaceChildren(...(card.pull ? [linkTo(card.pull.name, card.pull.url)] : []));
    part(".signals").hidden = !card.signals.length;
    part(".signals").replaceChildren(
      ...card.signals.map((signal) => {
        const line = lineOf(signalText(signal));
        line.dataset.state = signal.state;
        line.title = `event ${signal.event}, ${absolute(signal.happened)}`;
        return line;
      }),
    );
    part(".problems").hidden = !card.problems.length;
    part(".problems").replaceChildren(...card.problems.map(lineOf));
    item.dataset.phase = card.phase;
    this.setTabs(item.firstElementChild, item.firstElementChild.tabIndex === 0);
    if (hadFocus && !item.contains(document.activeElement)) item.firstElementChild.focus({ preventScroll: true });
  }

  // Events that moved nothing, newest last; the board has more of them than a page shows.
  addAnswers(answers, all) {
    this.answers = [...(all ? [] : this.answers), ...answers].slice(-MOST_HAPPENED);
    this.arrangeHappenings();
  }

  arrangeHappenings() {
    if (!this.about) return;
    const all = [...this.cards.values()]
      .filter(this.matches)
      .flatMap((card) => card.happened.map((happened) => ({ card, happened })));
    const known = new Set(all.map(({ happened }) => `${happened.event} ${happened.code}`));
    for (const answer of this.answers) {
      const { event, code } = answer;
      const card = { ...answer, agent: null, pull: null, gates: [answer.gate] };
      if (!known.has(`${event} ${code}`) && this.matches(card)) all.push({ card, happened: { ...answer, what: "answered" } });
    }
    all.sort((a, b) => (a.happened.at < b.happened.at ? 1 : a.happened.at > b.happened.at ? -1 : 0));
    const items = new Map();
    for (const { card, happened } of all.slice(0, MOST_HAPPENED)) {
      const key = JSON.stringify([card.id ?? card.workflow, happened]);
      items.set(key, this.happenings.get(key) ?? this.happeningOf(card, happened));
    }
    this.happenings = items;
    const list = element("last");
    removeOthers(list, new Set(items.values()));
    putInOrder(list, [...items.values()]);
    element("last-none").hidden = items.size > 0;
    list.hidden = !items.size;
  }

  happeningOf(card, happened) {
    const item = copyOf("happened-template");
    item.dataset.what = happened.what;
    setText(item.querySelector(".task"), taskName(card));
    setText(item.querySelector(".gate"), happened.gate ?? "");
    setTime(item.querySelector(".age"), happened.at);
    const [lead, ...facts] = story(happened, happened.pull && linkTo(happened.pull.name, happened.pull.url));
    setText(item.querySelector(".did"), lead);
    item.querySelector(".by").append(...facts);
    if (happened.event) {
      const event = document.createElement("span");
      event.className = "event quiet";
      event.textContent = `${happened.what === "rejected" ? "the signal's event" : "event"} ${happened.event}`;
      item.append(event);
    }
    return item;
  }

  mark(item) {
    const card = item?.firstElementChild;
    if (!card?.isConnected) return;
    card.classList.add("moved");
    clearTimeout(card.unmark);
    card.unmark = setTimeout(() => card.classList.remove("moved"), MOVED_MILLISECONDS);
  }

  // Scrolls the column, never the page. A column that somebody reads stays, unless the card itself has the focus.
  // Cards get their true heights only near to where they are seen: so it takes a second look in the next frames.
  bringIntoView(item, frames = 3) {
    const list = item?.parentElement;
    if (!list || !frames) return;
    if (list.matches(":hover, :focus-within") && !item.contains(document.activeElement)) return;
    const [inner, outer] = [item.getBoundingClientRect(), list.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom) {
      list.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
    }
    requestAnimationFrame(() => this.bringIntoView(item, frames - 1));
  }

  // One card of each column is on the way of the Tab key; arrow keys lead to the others.
  keepCurrent(column) {
    if (column.current && column.list.contains(column.current)) return;
    const first = column.list.querySelector(".card");
    if (column.current) this.setTabs(column.current, column.current === document.activeElement);
    column.current = first;
    if (first) this.setTabs(first, true);
  }

  makeCurrent(card) {
    const column = [...this.columns.values()].find((each) => each.list.contains(card));
    if (!column || column.current === card) return;
    if (column.current) this.setTabs(column.current, false);
    column.current = card;
    this.setTabs(card, true);
  }

  setTabs(card, on) {
    card.tabIndex = on ? 0 : -1;
    for (const link of card.querySelectorAll("a")) link.tabIndex = on ? 0 : -1;
  }

  onKey(event) {
    const card = event.target.closest?.(".card");
    if (!card || event.target !== card || event.altKey || event.ctrlKey || event.metaKey) return;
    const columns = [...this.columns.values()].filter((column) => column.isOpen && column.list.firstElementChild);
    const at = columns.findIndex((column) => column.list.contains(card));
    const cards = columns[at].cards;
    const place = cards.indexOf(card);
    const beside = (step) => columns[at + step]?.cards;
    const next = {
      ArrowDown: () => cards[place + 1],
      ArrowUp: () => cards[place - 1],
      Home: () => cards[0],
      End: () => cards.at(-1),
      ArrowRight: () => beside(1)?.[Math.min(place, beside(1).length - 1)],
      ArrowLeft: () => beside(-1)?.[Math.min(place, beside(-1).length - 1)],
    }[event.key];
    if (!next) return;
    event.preventDefault();
    next()?.focus();
  }

  // Ages, once a second: only those whose text has changed are touched.
  tick() {
    const now = Date.now() + this.skew;
    for (const time of document.querySelectorAll("time.age:not([hidden])")) {
      const whole = age(now - Date.parse(time.dateTime));
      // What happened needs the larger unit only, and the room for other words.
      setText(time, time.closest("#last") ? whole.split(" ", 2).join(" ") : whole);
    }
  }
}

function groupBy(cards) {
  const groups = new Map();
  for (const card of cards) {
    if (!groups.has(card.column)) groups.set(card.column, []);
    groups.get(card.column).push(card);
  }
  return groups;
}

function removeOthers(list, wanted) {
  for (const item of [...list.children]) if (!wanted.has(item)) item.remove();
}

function putInOrder(list, items) {
  let at = list.firstElementChild;
  for (const item of items) {
    if (item === at) at = at.nextElementSibling;
    else list.insertBefore(item, at);
  }
}
