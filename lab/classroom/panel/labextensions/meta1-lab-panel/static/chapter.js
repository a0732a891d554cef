// One chapter in the list: how it stands, and once unfolded its buttons, hints and solution.

import { el, inline } from "./element.js";

const LOSS = "Everything that was done on the machine since is lost.";

export class ChapterItem {
  constructor(chapter, panel) {
    this.chapter = chapter;
    this.panel = panel;
    const id = `lp-chapter-${chapter.number}`;
    this.state = el("span", { class: "lp-state" });
    this.title = el("button",
      { type: "button", class: "lp-title", "aria-expanded": "false", "aria-controls": id, onclick: () => this.toggle() },
      el("span", { class: "lp-number" }, `${chapter.number}`), el("span", { class: "lp-name" }, chapter.title), this.state);
    this.hints = el("ol", { class: "lp-hints", "aria-label": "Hints taken" });
    this.solution = el("pre", { class: "lp-solution", tabindex: "0", "aria-label": "Solution", hidden: true });
    this.body = el("div", { class: "lp-body", id, hidden: true }, ...this.parts());
    this.node = el("li", { class: "lp-chapter" }, this.title, this.body);
  }

  parts() {
    const { number, path } = this.chapter;
    this.hint = this.button("Hint", () => this.run("hint", true));
    this.solve = this.button("Do it for me", () => this.ask("solve", true, "Do the exercise for you?",
      `Its solution is run on your machine. The instructor sees that.`, "Do it"));
    this.solve.hidden = true;
    this.show_ = this.button("Solution", () => this.reveal());
    const buttons = [
      path && this.button("Open notebook", () => this.panel.host.open(path), "lp-main", true),
      this.button("Check", () => this.run("check")),
      this.button("Hint", () => this.run("hint")),
      this.button("Solve", () => this.ask("solve", false, `Solve chapter ${number}?`,
        "Its notebook is run on your machine from the top.", "Solve")),
      this.button("Reset", () => this.ask("reset", false, `Reset chapter ${number}?`,
        `Your machine goes back to how this chapter found it. ${LOSS}`, "Reset")),
      this.button("Go to here", () => this.ask("goto", false, `Go to chapter ${number}?`,
        `Your machine goes to where this chapter begins. ${LOSS}`, "Go")),
    ];
    return [
      el("div", { class: "lp-actions", role: "group", "aria-label": `Chapter ${number}` }, ...buttons.filter(Boolean)),
      el("div", { class: "lp-exercise" }, el("h3", {}, "Exercise"), this.done = el("span", { class: "lp-state" })),
      el("div", { class: "lp-actions", role: "group", "aria-label": `Exercise of chapter ${number}` },
        this.button("Check", () => this.run("check", true)), this.hint, this.show_, this.solve),
      this.hints, this.solution,
    ];
  }

  button(words, act, kind = "", always = false) {
    return el("button", { type: "button", class: `lp-button ${kind}`, onclick: act, ...(always && { "data-always": "" }) }, words);
  }

  run(command, exercise = false) {
    return this.panel.run({ command, chapter: this.chapter.number, exercise });
  }

  ask(command, exercise, title, text, button) {
    return this.panel.confirmed({ command, chapter: this.chapter.number, exercise }, title, text, button);
  }

  show(chapter) {
    this.chapter = chapter;
    this.node.dataset.state = chapter.state;
    this.state.textContent = chapter.state;
    const { state, hints, total } = chapter.exercise;
    this.done.textContent = state;
    this.done.parentElement.dataset.state = state;
    this.hint.textContent = hints.length < total ? `Hint ${hints.length + 1} of ${total}` : "No more hints";
    this.hint.dataset.none = hints.length < total ? "" : "none";
    this.hint.disabled = this.panel.running || hints.length >= total;
    while (this.hints.children.length > hints.length) this.hints.lastChild.remove();
    for (const text of hints.slice(this.hints.children.length)) this.hints.append(el("li", {}, ...inline(text)));
  }

  async reveal() {
    if (this.solution.hidden) {
      try {
        this.solution.textContent = await this.panel.host.api.solution(this.chapter.number);
      } catch (error) {
        return this.panel.fail(error);
      }
    }
    this.solution.hidden = !this.solution.hidden;
    this.solve.hidden = this.solution.hidden;
    this.show_.textContent = this.solution.hidden ? "Solution" : "Hide solution";
  }

  toggle() {
    if (this.body.hidden) this.panel.unfold(this);
    else this.unfold(false);
  }

  unfold(yes) {
    this.body.hidden = !yes;
    this.title.setAttribute("aria-expanded", `${yes}`);
    if (yes) this.node.scrollIntoView({ block: "nearest" });
  }

  mark(here) {
    if (here) this.node.setAttribute("aria-current", "true");
    else this.node.removeAttribute("aria-current");
  }

  busy(yes) {
    for (const button of this.body.querySelectorAll("button:not([data-always])"))
      button.disabled = yes || button.dataset.none === "none";
  }
}
