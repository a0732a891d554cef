// The instructor's page: what changes is put in its place, and orders are sent. The server has drawn everything else.

const prefix = document.body.dataset.prefix;
const xsrf = document.querySelector("meta[name=xsrf]").content;
const one = document.querySelector("main.one");
const find = id => document.getElementById(id);

// -- what changes ------------------------------------------------------------------------------------------------

function put(id, [look, mark, more, words]) {
  const node = find(id);
  if (!node) return;
  node.className = [node.classList[0], look].filter(name => name && name !== "changed").join(" ");
  for (const [name, text] of Object.entries({ mark, more, words })) {
    const part = node.querySelector(`.${name}`);
    if (!part) continue;
    if (part.localName === "time") part.dateTime = text;
    else part.textContent = text;
  }
  if (started) requestAnimationFrame(() => node.classList.add("changed"));
}

function ages() {
  for (const time of document.querySelectorAll("time")) {
    const minutes = (Date.now() - new Date(time.dateTime)) / 60_000;
    time.textContent = !time.dateTime ? "" : minutes < 1 ? "now" : minutes < 60 ? `${Math.floor(minutes)} min`
      : minutes < 1440 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
    if (time.dateTime) time.title = new Date(time.dateTime).toLocaleString();
  }
}

function live(text, look) {
  const node = find("live");
  if (node.textContent !== text) node.textContent = text;
  node.className = look;
}

let started = false;
const events = new EventSource(`${prefix}events?_xsrf=${encodeURIComponent(xsrf)}`);
events.onmessage = ({ data }) => {
  const { trouble, places } = JSON.parse(data);
  for (const [id, place] of Object.entries(places)) put(id, place);
  ages();
  live(trouble || "live", trouble ? "bad" : "good");
  started = true;
};
events.onerror = () => live(
  events.readyState === EventSource.CLOSED ? "not connected: load the page again" : "connection lost, trying again", "bad");
setInterval(ages, 15_000);
ages();

// -- orders ------------------------------------------------------------------------------------------------------

const boxes = [...document.querySelectorAll("tbody input[type=checkbox]")];
const row = box => box.closest("tr");
const chosen = () => boxes.filter(box => box.checked);

function whom() {
  if (one) return { trainees: [one.dataset.trainee], words: one.dataset.name };
  const some = chosen();
  if (!some.length || some.length === boxes.length) return { trainees: "all", words: `everybody (${boxes.length})` };
  const names = some.map(box => row(box).querySelector("a").textContent);
  return {
    trainees: some.map(box => row(box).dataset.trainee),
    words: names.length > 4 ? `${names.length} trainees` : names.join(", "),
  };
}

function choose() {
  const count = chosen().length;
  const all = find("choose-all");
  all.checked = count === boxes.length;
  all.indeterminate = count > 0 && count < boxes.length;
  find("whom").textContent = !count || all.checked ? "Everybody" : count === 1 ? "1 chosen" : `${count} chosen`;
}

function sure(title, text, yes) {
  const dialog = find("sure");
  find("sure-title").textContent = title;
  find("sure-text").textContent = text;
  find("sure-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise(done => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

function tell(text, look = "") {
  const node = find("told");
  node.textContent = text;
  node.className = look;
}

// Ask the server for a change; the answer comes when it is done.
async function order(verb, value, doing) {
  tell(`${doing} …`);
  try {
    const answer = await fetch(prefix + verb, {
      method: "POST", headers: { "X-XSRFToken": xsrf, "Content-Type": "application/json" }, body: JSON.stringify(value),
    });
    const told = await answer.json().catch(() => ({ message: `the server answers ${answer.status}`, mend: "load the page again" }));
    if (told.done) tell(told.done, "good");
    else tell([told.message, told.mend].filter(Boolean).join("; next: "), "bad");
    return answer.ok;
  } catch {
    tell("the server does not answer", "bad");
    return false;
  }
}

const orders = {
  async goto(button) {
    const { trainees, words } = whom();
    const chapter = Number(button.dataset.chapter || find("chapter").value);
    const text = "The machines go to where that chapter begins. What was done on them since is lost, and a message says so.";
    if (await sure(`Chapter ${chapter} for ${words}?`, text, "Go"))
      order("goto", { trainees, chapter }, `taking ${words} to chapter ${chapter}`);
  },
  async say() {
    const text = find("text").value.trim();
    const { trainees, words } = whom();
    if (!text) find("text").focus();
    else if (await order("say", { trainees, text }, `telling ${words}`)) find("text").value = "";
  },
  async server({ dataset: { verb } }) {
    const { trainees: [trainee], words } = whom();
    const stop = verb === "stop";
    if (stop && !await sure(`Stop the JupyterLab of ${words}?`, "Its notebooks and terminals end; files and machine stay.", "Stop")) return;
    order("server", { trainee, verb }, `${stop ? "stopping" : "starting"} the JupyterLab of ${words}`);
  },
};

document.addEventListener("click", event => {
  const button = event.target.closest("button[data-do]");
  if (button && button.type !== "submit") orders[button.dataset.do](button);
});
find("orders").addEventListener("submit", event => { event.preventDefault(); orders.say(); });
if (!one) {
  find("choose-all").addEventListener("change", ({ target }) => {
    for (const box of boxes) box.checked = target.checked;
    choose();
  });
  for (const box of boxes) box.addEventListener("change", choose);
  choose();
} else {
  import("./terminal.js");
}
