// What a command prints, line by line, below the chapters.

import { el } from "./element.js";

const MARKS = [[/^ok {3}/, "ok"], [/^no {3}/, "no"], [/^lab:/, "no"], [/^ +(next:|expected)/, "dim"]];

export class Output {
  constructor(stop) {
    this.title = el("h3", {}, "Output");
    this.state = el("span", { class: "lp-code", role: "status" });
    this.stop = el("button", { type: "button", hidden: true, onclick: stop }, "Stop");
    this.lines = el("div", { class: "lp-lines", role: "log", tabindex: "0", "aria-label": "Output of the command" });
    this.node = el("section", { class: "lp-output", "aria-label": "Output", hidden: true },
      el("div", { class: "lp-output-head" }, this.title, this.state, this.stop), this.lines);
  }

  begin({ command, chapter, exercise }) {
    this.node.hidden = false;
    this.title.textContent = `lab ${command} ${chapter}${exercise ? " --exercise" : ""}`;
    this.state.textContent = "running …";
    this.state.dataset.code = "";
    this.stop.hidden = false;
    this.lines.replaceChildren();
  }

  add(text) {
    const kind = (MARKS.find(([pattern]) => pattern.test(text)) || [])[1];
    const atEnd = this.lines.scrollTop + this.lines.clientHeight > this.lines.scrollHeight - 20;
    this.lines.append(el("div", { class: kind && `lp-${kind}` }, text || "\u00a0"));
    if (atEnd) this.lines.scrollTop = this.lines.scrollHeight;
  }

  end({ code, stopped }) {
    this.stop.hidden = true;
    this.state.textContent = stopped ? "stopped" : ["done", "not yet", "failed", "no machine"][code] || `exit ${code}`;
    this.state.dataset.code = stopped ? "2" : code;
  }

  fail(text) {
    this.node.hidden = false;
    this.add(text);
    this.end({ code: 2 });
  }
}
