// The console in the browser: shows what the server says, says what the person presses. Every text comes in as HTML that the
// server has escaped, or goes in as textContent. Without this script the pages still work, by forms.
"use strict";

const body = document.body;
const page = { token: body.dataset.token, kind: body.dataset.page, run: body.dataset.run, person: body.dataset.person };
const $ = (id) => document.getElementById(id);

// ---- showing: a newer version of a part takes the place of the older one, and only what differs is touched ----

const parsed = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
};
const KEPT = new Set(["open", "disabled"]);

const morph = (old, fresh) => {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return void old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.matches(".waiting, .armed") && old.value === fresh.value) return;
  if (old.matches(".ticking") && old.dataset.since === fresh.dataset.since) return;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphChildren(old, fresh);
};

const morphChildren = (old, fresh) => {
  const keyed = new Map([...old.children].filter((one) => one.dataset.k).map((one) => [one.dataset.k, one]));
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = next.dataset?.k;
    const match = key ? keyed.get(key) : at && !at.dataset?.k && at.nodeName === next.nodeName ? at : null;
    if (!match) { old.insertBefore(next, at); continue; }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    morph(match, next);
  }
  while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
};

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const two = (n) => String(n).padStart(2, "0");
const span = (s) => s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} m ${two(s % 60)} s` : `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} m`;

const localTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) time.textContent = clock.format(new Date(time.dateTime));
  tick(root);
};
const tick = (root) => {
  for (const time of root.querySelectorAll(".ticking")) {
    const since = Date.parse(time.dataset.since);
    if (!Number.isNaN(since)) time.textContent = span(Math.max(0, Math.floor((Date.now() - since) / 1000)));
  }
};
setInterval(() => tick(document), 1000);

const aloud = (text) => { $("told").textContent = text; };
let toastEnds = 0;
const toast = (text) => {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => { $("toast").hidden = true; }, 5000);
};
const sentence = (card) => [card.querySelector(".card-title"), card.querySelector(".badge")].map((one) => one?.textContent.trim()).filter(Boolean).join(": ");

// ---- the room ----

const messages = $("messages");
let follows = true;
const atEnd = () => document.documentElement.scrollHeight - innerHeight - scrollY < 160;
const toEnd = () => { scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" }); if ($("newer")) $("newer").hidden = true; };

const place = (message) => {
  const id = Number(message.dataset.id);
  const later = [...messages.children].find((one) => Number(one.dataset.id) > id);
  message.classList.add("fresh");
  messages.insertBefore(message, later ?? null);
  if (!later) arrived(message.querySelector(".who b")?.textContent === page.person);
};
const arrived = (mine) => {
  $("empty").hidden = true;
  if (follows || mine) toEnd();
  else $("newer").hidden = false;
};
const show = (told) => {
  const fresh = parsed(told.html);
  localTimes(fresh);
  const old = $(`m-${told.id}`);
  if (old) {
    const before = sentence(old);
    morph(old, fresh);
    if (sentence(old) !== before) aloud(sentence(old));
    if (follows) toEnd();
  } else {
    aloud(sentence(fresh));
    place(fresh);
  }
};
const present = (state) => {
  const there = new Set(state.messages.map((one) => String(one.id)));
  const oldest = Math.min(...state.messages.map((one) => one.id));
  for (const one of [...messages.children]) if (one.dataset.id && Number(one.dataset.id) >= oldest && !there.has(one.dataset.id)) one.remove();
  state.messages.forEach(show);
};
const showLive = (html) => {
  const fresh = document.createElement("div");
  fresh.append(parsed(html) ?? "");
  morphChildren($("live"), fresh);
};
const showPrivate = (html) => {
  const message = parsed(html);
  localTimes(message);
  message.classList.add("fresh");
  if (messages) {
    messages.append(message);
    arrived(true);
    if (!atEnd()) message.scrollIntoView({ block: "nearest" });
  } else {
    document.querySelectorAll(".page .private").forEach((one) => one.remove());
    const stack = document.querySelector(".page .stack");
    stack.before(message);
    message.scrollIntoView({ block: "nearest" });
  }
  aloud(sentence(message));
};

// ---- what the server tells ----

const link = (state, text) => { $("link").dataset.state = state; $("link").querySelector(".link-text").textContent = text; };
let wait = 1000;
const listen = () => {
  const query = new URLSearchParams({ since: body.dataset.since, ...(page.run ? { run: page.run } : {}) });
  const source = new EventSource(`/events?${query}`);
  const on = (kind, act) => source.addEventListener(kind, (event) => {
    if (event.lastEventId) body.dataset.since = event.lastEventId;
    act(JSON.parse(event.data));
  });
  source.onopen = () => { wait = 1000; link("live", "live"); };
  source.onerror = () => {
    link("away", "reconnecting");
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(async () => {
      const answer = await fetch("/", { method: "HEAD" }).catch(() => null);
      if (answer?.status === 401) location.reload();
      else listen();
    }, wait);
    wait = Math.min(wait * 2, 15000);
  };
  on("traffic", traffic);
  if (page.kind === "room") {
    on("message", show);
    on("state", (state) => { present(state); showLive(state.live); });
    on("gone", (told) => $(`m-${told.id}`)?.remove());
    on("live", (told) => showLive(told.html));
  }
  if (page.kind === "run") {
    on("message", showRun);
    on("state", (state) => state.messages.forEach(showRun));
  }
  addEventListener("pagehide", () => source.close(), { once: true });
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); }, { once: true });
};

const seen = [];
const SVG = "http://www.w3.org/2000/svg";
const traffic = (now) => {
  const strip = $("traffic");
  if (!strip) return;
  strip.querySelector(".traffic-rate").textContent = now.per_second;
  const failed = strip.querySelector(".traffic-failed");
  failed.textContent = `${now.failed} failed`;
  failed.classList.toggle("bad", now.failed > 0);
  failed.classList.toggle("quiet", !(now.failed > 0));
  strip.querySelector(".traffic-versions").textContent = Object.entries(now.by_version).map(([name, n]) => `${name} ${n}`).join(" · ");
  seen.push(now.by_version);
  if (seen.length > 60) seen.shift();
  spark(strip.querySelector(".spark"));
};
const spark = (svg) => {
  const names = [...new Set(seen.flatMap(Object.keys))].sort();
  const top = Math.max(1, ...seen.map((one) => Object.values(one).reduce((sum, n) => sum + n, 0)));
  const floor = seen.map(() => 0);
  svg.replaceChildren(...names.map((name, at) => {
    const lower = [...floor];
    seen.forEach((one, i) => { floor[i] += (one[name] ?? 0) / top * 24; });
    const point = (heights, i) => `${i + 60 - seen.length},${(24 - heights[i]).toFixed(2)}`;
    const indices = seen.map((_, i) => i);
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", `spark-${at % 3}`);
    path.setAttribute("d", `M${indices.map((i) => point(floor, i)).join("L")}L${indices.reverse().map((i) => point(lower, i)).join("L")}Z`);
    return path;
  }));
};

// ---- saying ----

const press = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// A delivery that got lost is sent again under the same key, so it counts once.
const say = async (line, more = {}) => {
  const form = new URLSearchParams({ line, key: press(), ...more });
  for (const rest of [1000, 3000, 0]) {
    try {
      const answer = await fetch("/say", { method: "POST", body: form, headers: { Accept: "application/json", "X-Sluice-Token": page.token } });
      if (answer.status === 401) return void location.reload();
      if (!answer.ok) { toast((await answer.text()).trim()); return false; }
      const heard = await answer.json();
      heard.html.forEach(showPrivate);
      if (!heard.html.length && !heard.public) aloud("Done.");
      return heard;
    } catch {
      if (!rest) break;
      toast("No connection. Trying again …");
      await pause(rest);
    }
  }
  toast("No connection. Say it again when you are back.");
  return false;
};

const disarm = (button) => {
  if (!button.classList.contains("armed")) return;
  button.classList.remove("armed");
  button.querySelector(".button-text").textContent = button.dataset.text;
};
const arm = (button) => {
  const text = button.querySelector(".button-text");
  button.dataset.text = text.textContent;
  button.classList.add("armed");
  text.textContent = button.dataset.sure;
  aloud(button.dataset.sure);
  setTimeout(() => disarm(button), 4000);
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[form=press]");
  if (button) {
    event.preventDefault();
    if (button.dataset.sure && !button.classList.contains("armed")) return arm(button);
    disarm(button);
    const row = [...button.closest(".buttons").querySelectorAll("button")];
    row.forEach((one) => { one.disabled = true; });
    button.classList.add("waiting");
    const heard = await say(button.value, { press: "1" });
    row.forEach((one) => { one.disabled = false; });
    button.classList.remove("waiting");
    if (heard && page.kind === "run") refreshRun();
    else if (heard?.public && !messages) toast("Said in the room.");
    return;
  }
  const item = event.target.closest(".live-item");
  if (item && !$(item.hash.slice(1))) {
    event.preventDefault();
    location.assign(`/r/${encodeURIComponent(item.dataset.run)}`);
    return;
  }
  const copy = event.target.closest(".copy");
  if (copy) return copyText(copy);
  event.target.closest(".dismiss")?.closest(".message").remove();
});
const copyText = async (button) => {
  const text = button.parentElement.querySelector("pre");
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    getSelection().selectAllChildren(text);
    document.execCommand("copy");
  }
  button.classList.add("copied");
  button.querySelector("span").textContent = "Copied";
  setTimeout(() => { button.classList.remove("copied"); button.querySelector("span").textContent = "Copy"; }, 2000);
};

// ---- the command line ----

const composer = () => {
  const line = $("line"), list = $("suggestions"), options = [...list.querySelectorAll("[role=option]")];
  const said = JSON.parse(sessionStorage.getItem("said") ?? "[]");
  let back = said.length, chosen = -1;
  const visible = () => options.filter((one) => !one.hidden);
  const fit = () => { line.style.height = "auto"; line.style.height = `${line.scrollHeight}px`; };
  const fill = (text) => { line.value = text; fit(); line.setSelectionRange(text.length, text.length); suggest(); };
  const choose = (at) => {
    chosen = at;
    visible().forEach((one, i) => one.setAttribute("aria-selected", String(i === at)));
    visible()[at]?.scrollIntoView({ block: "nearest" });
    if (at < 0) line.removeAttribute("aria-activedescendant");
    else line.setAttribute("aria-activedescendant", visible()[at].id);
  };
  const suggest = () => {
    const typed = line.value.toLowerCase();
    const whole = typed && !/\s/.test(typed);
    for (const one of options) one.hidden = !(whole && one.dataset.verb.startsWith(typed) && one.dataset.verb !== typed);
    list.hidden = !visible().length;
    choose(-1);
    const lines = line.value.split("\n").length;
    $("hint").textContent = lines > 1 ? `${lines} lines. Ctrl and Enter sends.` : "";
  };
  const take = (option) => { fill(option.dataset.verb + (option.dataset.takes === "yaml" ? "\n" : option.dataset.takes ? " " : "")); line.focus(); };
  const send = async () => {
    const text = line.value.trim();
    if (!text || $("say").ariaBusy === "true") return;
    said.push(text);
    back = said.length;
    sessionStorage.setItem("said", JSON.stringify(said.filter((one) => one.length < 2000).slice(-50)));
    const button = $("say").querySelector(".send");
    $("say").ariaBusy = "true";
    button.ariaBusy = "true";
    fill("");
    if (!await say(text)) fill(text);
    $("say").ariaBusy = "false";
    button.ariaBusy = "false";
  };
  const remember = (step) => {
    if (line.value.includes("\n") || back + step < 0 || back + step > said.length) return false;
    back += step;
    fill(said[back] ?? "");
    list.hidden = true;
    return true;
  };
  line.addEventListener("input", () => { fit(); suggest(); });
  line.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden && line.value;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step && open) { event.preventDefault(); choose((chosen + step + visible().length) % visible().length); }
    else if (step && remember(step)) event.preventDefault();
    else if (event.key === "Tab" && open && !event.shiftKey) { event.preventDefault(); take(visible()[Math.max(0, chosen)]); }
    else if (event.key === "Escape") list.hidden = true;
    else if (event.key === "Enter" && !event.shiftKey && open && chosen >= 0) { event.preventDefault(); take(visible()[chosen]); }
    else if (event.key === "Enter" && !event.shiftKey && (event.ctrlKey || event.metaKey || !line.value.includes("\n"))) { event.preventDefault(); send(); }
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => { const option = event.target.closest("[role=option]"); if (option) take(option); });
  $("say").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  const read = async (file) => {
    if (!file) return;
    if (file.size > 256 * 1024) return toast(`${file.name} is larger than 256 KiB.`);
    fill(`define\n${await file.text()}`);
    $("hint").textContent = `${file.name} is read. Send it to define the pipeline.`;
    line.focus();
  };
  $("file").addEventListener("change", () => { read($("file").files[0]); $("file").value = ""; });
  let over = 0;
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (carriesFile(event)) { over += 1; $("drop").hidden = false; } });
  addEventListener("dragleave", (event) => { if (carriesFile(event) && --over <= 0) { over = 0; $("drop").hidden = true; } });
  addEventListener("dragover", (event) => { if (carriesFile(event)) event.preventDefault(); });
  addEventListener("drop", (event) => { if (!carriesFile(event)) return; event.preventDefault(); over = 0; $("drop").hidden = true; read(event.dataTransfer.files[0]); });
  if (matchMedia("(hover: hover)").matches) line.focus({ preventScroll: true });
};

// ---- the pages of a run and of a pipeline ----

const showRun = (told) => {
  const fresh = parsed(told.html).querySelector(".card");
  localTimes(fresh);
  const old = document.querySelector("#now .card");
  if (old) morph(old, fresh);
  else $("now").replaceChildren(fresh);
  aloud(sentence(fresh));
};
const part = async (path) => {
  const answer = await fetch(path, { headers: { "X-Sluice-Part": "1" } });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(answer.statusText);
  const holder = document.createElement("div");
  holder.innerHTML = await answer.text();
  localTimes(holder);
  return holder;
};
const refreshRun = async () => { morphChildren($("now"), await part(`/r/${page.run}/now`)); };
const ends = new WeakMap();
const opened = () => document.querySelector("[data-part=logs] [aria-current]").getAttribute("href");
const isLog = (path) => /^\/r\/[^/]+\/logs/.test(path);
const follow = async () => {
  const open = opened();
  const fresh = await part(open);
  if (open !== opened()) return;
  const texts = [...$("logs").querySelectorAll("pre")];
  texts.forEach((text) => ends.set(text, text.scrollHeight - text.clientHeight - text.scrollTop < 40));
  morphChildren($("logs"), fresh);
  if (!isLog(open)) return;
  for (const text of $("logs").querySelectorAll("pre")) if (ends.get(text) ?? true) text.scrollTop = text.scrollHeight;
};
const isOver = () => !document.querySelector("#now .tone-busy, #now .tone-asking, #now .is-running, #now .is-asking");
const followRun = async () => {
  if (isLog(opened())) for (const text of $("logs").querySelectorAll("pre")) text.scrollTop = text.scrollHeight;
  for (let round = 1; ; round += 1) {
    await pause(2000);
    if (document.hidden || (isOver() && round % 5)) continue;
    try {
      await follow();
      if (round % 3 === 0) await refreshRun();
    } catch { /* the link's state says so already */ }
  }
};
const reveal = (tab) => {
  const [row, at] = [tab.parentElement, tab.getBoundingClientRect()];
  row.scrollLeft += at.left + at.width / 2 - row.getBoundingClientRect().left - row.clientWidth / 2;
};
document.addEventListener("click", async (event) => {
  const tab = event.target.closest(".tabs a");
  if (!tab || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  const holder = $(tab.parentElement.dataset.part);
  for (const one of tab.parentElement.children) one.toggleAttribute("aria-current", false);
  tab.setAttribute("aria-current", "page");
  reveal(tab);
  history.replaceState(null, "", tab.href);
  holder.ariaBusy = "true";
  try {
    holder.replaceChildren(...(await part(tab.href)).childNodes);
  } catch {
    toast("That could not be loaded. Try again.");
  }
  holder.ariaBusy = "false";
  if (isLog(tab.getAttribute("href"))) for (const text of holder.querySelectorAll(".logs pre")) text.scrollTop = text.scrollHeight;
});

// ---- beginning ----

if (page.token) {
  localTimes(document);
  for (const tab of document.querySelectorAll(".tabs [aria-current]")) reveal(tab);
  if (page.kind === "room") {
    composer();
    addEventListener("scroll", () => { follows = atEnd(); if (follows) $("newer").hidden = true; }, { passive: true });
    $("newer").addEventListener("click", toEnd);
    if (!/^#m-\d+$/.test(location.hash)) toEnd();
  }
  if (page.kind === "run") followRun();
  if (page.kind || $("traffic")) listen();
}
