// What the panel shows and does. It knows nothing of JupyterLab: `host` gives it the server's addresses (`api`), and
// ways to open a notebook, to ask for a confirmation, and to notify.

import { ChapterItem } from "./chapter.js";
import { el } from "./element.js";
import { Output } from "./output.js";

export class Panel {
  constructor(host) {
    this.host = host;
    this.items = new Map();
    this.heard = 0;
    this.running = false;
    this.count = el("span", {});
    this.bar = el("progress", { "aria-label": "Chapters passed" });
    this.watched = el("p", { class: "lp-watched", role: "status", hidden: true });
    this.trouble = el("p", { class: "lp-trouble", role: "status", hidden: true });
    this.list = el("ol", { class: "lp-chapters" });
    this.said = el("ul", {});
    this.messages = el("details", { class: "lp-messages", hidden: true, open: true },
      el("summary", {}, "From the instructor"), this.said);
    this.output = new Output(() => this.stop());
    this.node = el("div", { class: "lp", role: "region", "aria-label": "Lab" },
      el("div", { class: "lp-head" }, el("h2", {}, "Lab"), this.count, this.bar),
      this.watched, this.trouble, this.messages, this.list, this.output.node);
  }

  // Show what there is, join a command that runs, and then ask for news for ever.
  async begin(seconds) {
    await this.refresh();
    this.host.api.join(said => this.hear(said)).catch(error => this.fail(error)).finally(() => this.ended());
    const again = async () => {
      await this.news();
      if (!document.hidden) await this.refresh();
      setTimeout(again, seconds * 1000);
    };
    again();
  }

  async refresh() {
    try {
      this.show(await this.host.api.chapters());
      this.say(this.trouble, "");
    } catch (error) {
      this.say(this.trouble, error.message);
    }
  }

  show(chapters) {
    for (const chapter of chapters) {
      if (!this.items.has(chapter.number)) {
        const item = new ChapterItem(chapter, this);
        this.items.set(chapter.number, item);
        this.list.append(item.node);
      }
      this.items.get(chapter.number).show(chapter);
    }
    const passed = chapters.filter(chapter => chapter.state === "passed").length;
    this.bar.max = chapters.length;
    this.bar.value = passed;
    this.count.textContent = `${passed} of ${chapters.length} passed`;
  }

  // The notebook in front has changed: show its chapter's buttons.
  opened(path) {
    for (const item of this.items.values()) {
      const here = Boolean(path) && item.chapter.path === path;
      item.mark(here);
      if (here) this.unfold(item);
    }
  }

  unfold(chosen) {
    for (const item of this.items.values()) item.unfold(item === chosen);
  }

  async run(order) {
    if (this.running) return;
    this.busy(true);
    this.output.begin(order);
    try {
      await this.host.api.run(order, said => this.hear(said));
    } catch (error) {
      this.fail(error);
    }
    this.ended();
  }

  hear(said) {
    if (said.order) { this.busy(true); this.output.begin(said.order); }
    else if ("line" in said) this.output.add(said.line);
    else this.output.end(said);
  }

  fail(error) { this.output.fail(error.message); }

  ended() { this.busy(false); this.refresh(); }

  busy(yes) {
    this.running = yes;
    for (const item of this.items.values()) item.busy(yes);
  }

  stop() { this.host.api.stop().catch(error => this.fail(error)); }

  // Reset and goto throw away what is on the machine.
  async confirmed(order, title, text, button) {
    if (await this.host.confirm(title, text, button)) this.run(order);
  }

  async news() {
    let news;
    try {
      news = await this.host.api.news(this.heard);
    } catch {
      return;  // `refresh` says so
    }
    for (const { id, at, text } of news.messages) {
      if (id <= this.heard) continue;
      this.heard = id;
      this.messages.hidden = false;
      this.said.prepend(el("li", {}, el("time", { datetime: at }, clock(at)), ` ${text}`));
      if (isNew(at)) this.host.notify(text);
    }
    this.say(this.watched, news.watched ? "The instructor is looking at your terminal" : "");
    if (news.trouble) this.say(this.trouble, news.trouble);
  }

  say(node, text) {
    if (node.textContent !== text) node.textContent = text;
    node.hidden = !text;
  }
}

const clock = at => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

// A page that is loaded again lists old messages, and does not raise them as notifications once more.
const isNew = at => Date.now() - new Date(at).getTime() < 120_000;
