/* Words of the glossary and names of the reference: what they mean, on hover, on focus, at a touch. Without this script a browser shows the title.
   The box can be pointed at, and Escape closes it (WCAG 1.4.13). At a touch the first tap shows it, the second follows. */
document.addEventListener("DOMContentLoaded", () => {
  const words = document.querySelectorAll(".bd-article :is(a.term, a.mention)[title]");
  if (!words.length) return;
  const box = document.querySelector("main").appendChild(document.createElement("div"));
  Object.assign(box, { id: "meaning", hidden: true });
  box.setAttribute("role", "tooltip");
  let shown = null, leaving = 0;

  const hide = () => {
    clearTimeout(leaving);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    box.hidden = true;
  };
  const leave = () => { clearTimeout(leaving); leaving = setTimeout(hide, 150); };
  const show = (word) => {
    clearTimeout(leaving);
    if (shown === word) return;
    hide();
    shown = word;
    box.textContent = word.dataset.meaning;
    word.setAttribute("aria-describedby", "meaning");
    box.hidden = false;
    const at = word.getClientRects()[0], width = document.documentElement.clientWidth;
    const left = Math.min(Math.max(at.left, 8), width - box.offsetWidth - 8);
    const below = at.bottom + box.offsetHeight + 12 < innerHeight;
    const frame = (box.offsetParent ?? document.documentElement).getBoundingClientRect();
    box.style.left = `${left - frame.left}px`;
    box.style.top = `${(below ? at.bottom + 6 : at.top - box.offsetHeight - 6) - frame.top}px`;
  };

  words.forEach((word) => {
    word.dataset.meaning = word.title;
    word.removeAttribute("title");
    word.addEventListener("pointerenter", (e) => { if (e.pointerType === "mouse") show(word); });
    word.addEventListener("pointerleave", (e) => { if (e.pointerType === "mouse") leave(); });
    word.addEventListener("focus", () => { if (word.matches(":focus-visible")) show(word); });
    word.addEventListener("blur", leave);
    let touched = false;
    word.addEventListener("pointerdown", (e) => { touched = e.pointerType !== "mouse" && shown !== word; });
    word.addEventListener("click", (e) => { if (touched) { e.preventDefault(); touched = false; show(word); } });
  });
  box.addEventListener("pointerenter", () => clearTimeout(leaving));
  box.addEventListener("pointerleave", leave);
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") hide(); });
  document.addEventListener("pointerdown", (e) => { if (shown && e.target !== shown && !box.contains(e.target)) hide(); });
});
